import { and, eq } from 'drizzle-orm'
import { current_state } from '../../schema/tables/rooms.ts'
import { events, state_keys } from '../../schema/tables/events.ts'
import type { Conn, Tx } from './database.ts'
import { insertMany } from './insert-many.ts'
import { query } from './query.ts'

const list = query<{ roomNid: number }>('listCurrentState')(({ db, t, p }) => {
  const [c, k] = [t(current_state), t(state_keys)]
  return db
    .select({ stateKeyNid: c.state_key_nid, eventNid: c.event_nid, type: k.type, stateKey: k.state_key })
    .from(c)
    .innerJoin(k, eq(k.state_key_nid, c.state_key_nid))
    .where(eq(c.room_nid, p.roomNid))
})
const listRows = query<{ roomNid: number }>('listCurrentStateEvents')(({ db, t, p }) => {
  const [c, e] = [t(current_state), t(events)]
  return db.select({ event: e }).from(c).innerJoin(e, eq(e.event_nid, c.event_nid)).where(eq(c.room_nid, p.roomNid))
})
const put = query<{ roomNid: number; stateKeyNid: number; eventNid: number }>('putCurrentState')(({
  db,
  t,
  p,
  excluded,
}) => {
  const c = t(current_state)
  return db
    .insert(c)
    .values({ room_nid: p.roomNid, state_key_nid: p.stateKeyNid, event_nid: p.eventNid })
    .onConflictDoUpdate({ target: [c.room_nid, c.state_key_nid], set: { event_nid: excluded(c.event_nid) } })
})
const putMany = insertMany('putCurrentStates', current_state, ['room_nid', 'state_key_nid', 'event_nid'], {
  onConflict: { key: ['room_nid', 'state_key_nid'], update: ['event_nid'] },
})
const remove = query<{ roomNid: number; keys: readonly number[] }>('deleteCurrentState')(({ db, t, p, anyOf }) => {
  const c = t(current_state)
  return db.delete(c).where(and(eq(c.room_nid, p.roomNid), anyOf(c.state_key_nid, p.keys)))
})

/** One place of a room's current state. */
export interface CurrentStateRow {
  readonly stateKeyNid: number
  readonly eventNid: number
  readonly type: string
  readonly stateKey: string
}

/** The whole current state of a room, as row ids and places. */
export function listCurrentState(conn: Conn, roomNid: number): Promise<CurrentStateRow[]> {
  return list(conn, { roomNid })
}

/** The rows of the events of a room's current state. */
export async function listCurrentStateEvents(
  conn: Conn,
  roomNid: number,
): Promise<(typeof events)['sqlite']['$inferSelect'][]> {
  return (await listRows(conn, { roomNid })).map(({ event }) => event)
}

/** Changes places of the current state: an event's row id, or 0 to empty the place, by row id of the key. */
export async function putCurrentState(tx: Tx, roomNid: number, changes: ReadonlyMap<number, number>): Promise<void> {
  const removed: number[] = []
  const rows: { room_nid: number; state_key_nid: number; event_nid: number }[] = []
  for (const [stateKeyNid, eventNid] of changes)
    if (eventNid === 0) removed.push(stateKeyNid)
    else rows.push({ room_nid: roomNid, state_key_nid: stateKeyNid, event_nid: eventNid })
  const [only] = rows
  if (rows.length === 1 && only) await put(tx, { roomNid, stateKeyNid: only.state_key_nid, eventNid: only.event_nid })
  else await putMany(tx, rows)
  if (removed.length > 0) await remove(tx, { roomNid, keys: removed })
}
