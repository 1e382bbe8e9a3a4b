import { and, eq } from 'drizzle-orm'
import { state_groups } from '../../schema/tables/events.ts'
import type { Conn, Tx } from './database.ts'
import { query } from './query.ts'

const findByNid = query<{ groupNid: number }>('findStateGroup')(({ db, t, p }) =>
  db
    .select()
    .from(t(state_groups))
    .where(eq(t(state_groups).group_nid, p.groupNid)),
)
const findByHash = query<{ roomNid: number; hash: Buffer }>('findStateGroupByHash')(({ db, t, p }) =>
  db
    .select({ nid: t(state_groups).group_nid })
    .from(t(state_groups))
    .where(and(eq(t(state_groups).room_nid, p.roomNid), eq(t(state_groups).hash, p.hash))),
)
const insert = query<{
  roomNid: number
  parent: number | null
  layer: number
  hash: Buffer
  delta: Buffer
}>('insertStateGroup')(({ db, t, p }) =>
  db
    .insert(t(state_groups))
    .values({ room_nid: p.roomNid, parent: p.parent, layer: p.layer, hash: p.hash, delta: p.delta })
    .returning({ nid: t(state_groups).group_nid }),
)

/** A row of `state_groups`. */
export type StateGroupRow = NonNullable<Awaited<ReturnType<typeof findByNid.first>>>

/** What a new group is made of. */
export interface NewStateGroup {
  readonly roomNid: number
  readonly parent: number | null
  readonly layer: number
  readonly hash: Buffer
  readonly delta: Buffer
}

/** One layer of a state. Throws where there is no such group. */
export async function getStateGroup(conn: Conn, groupNid: number): Promise<StateGroupRow> {
  const row = await findByNid.first(conn, { groupNid })
  if (row === undefined) throw new Error(`no state group ${groupNid}`)
  return row
}

/** The group of a room whose whole state has this hash. */
export async function findStateGroupByHash(conn: Conn, roomNid: number, hash: Buffer): Promise<number | undefined> {
  return (await findByHash.first(conn, { roomNid, hash }))?.nid
}

/** Stores a group; gives its row id. */
export async function insertStateGroup(tx: Tx, group: NewStateGroup): Promise<number> {
  const row = await insert.first(tx, group)
  if (row === undefined) throw new Error('a state group that was inserted has no row id')
  return row.nid
}
