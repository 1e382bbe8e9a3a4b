import { eq } from 'drizzle-orm'
import { servers } from '../../schema/tables/rooms.ts'
import type { ServerName } from '../protocol/ids.ts'
import type { Conn, Tx } from './database.ts'
import { query } from './query.ts'

const findByName = query<{ name: string }>('findServerByName')(({ db, t, p }) =>
  db
    .select({ nid: t(servers).server_nid })
    .from(t(servers))
    .where(eq(t(servers).name, p.name)),
)
const findByNid = query<{ nid: number }>('findServerByNid')(({ db, t, p }) =>
  db
    .select({ name: t(servers).name })
    .from(t(servers))
    .where(eq(t(servers).server_nid, p.nid)),
)
const listByNids = query<{ nids: readonly number[] }>('listServersByNids')(({ db, t, p, anyOf }) =>
  db
    .select({ nid: t(servers).server_nid, name: t(servers).name })
    .from(t(servers))
    .where(anyOf(t(servers).server_nid, p.nids)),
)
const insert = query<{ name: string }>('insertServer')(({ db, t, p }) =>
  db
    .insert(t(servers))
    .values({ name: p.name })
    .onConflictDoNothing()
    .returning({ nid: t(servers).server_nid }),
)

/** The row id of a server, undefined where no row names it. */
export async function findServerNid(conn: Conn, name: ServerName): Promise<number | undefined> {
  return (await findByName.first(conn, { name }))?.nid
}

/** The row id of a server, made when it has none. */
export async function putServer(tx: Tx, name: ServerName): Promise<number> {
  const nid = await findServerNid(tx, name)
  if (nid !== undefined) return nid
  const made = (await insert.first(tx, { name })) ?? (await findByName.first(tx, { name }))
  if (made === undefined) throw new Error('a server that was just interned is missing')
  return made.nid
}

/** The name behind a row id. Throws where there is no such row. */
export async function serverNameOfNid(conn: Conn, nid: number): Promise<ServerName> {
  const row = await findByNid.first(conn, { nid })
  if (row === undefined) throw new Error(`no server ${nid}`)
  return row.name as ServerName
}

/** The names behind row ids, by row id. */
export async function listServerNames(conn: Conn, nids: readonly number[]): Promise<Map<number, ServerName>> {
  if (nids.length === 0) return new Map()
  return new Map((await listByNids(conn, { nids })).map(({ nid, name }) => [nid, name as ServerName]))
}
