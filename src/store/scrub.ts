import type { UserId } from '../protocol/ids.ts'
import { tables } from '../../schema/tables/index.ts'
import type { Conn, Tx } from './database.ts'
import { sqlQuery, sqlRun } from './query.ts'

/** A person, by the row id and by the id. */
export interface Subject {
  readonly userNid: number
  readonly userId: UserId
}

/**
 * Tables of the data map that a step other than SCRUB empties, and which: their rows are needed until then, or go with
 * something else.
 */
export const emptiedElsewhere: Readonly<Record<string, string>> = {
  // edits and replies are redacted before the rest
  relations: 'REDACT and COLLECT, with the event',
  media: 'COLLECT, with the files',
  media_blobs: 'COLLECT, when no file refers to them',
  thumbnails: 'COLLECT, with their picture',
  erasure_rooms: 'CLOSED',
  erasure_events: 'CLOSED',
  erasure_media: 'CLOSED',
  // other servers are told that the devices are deleted; what else waits goes in SCRUB
  outbound_edus: 'SCRUB and CLOSED',
  outbound_transactions: 'COLLECT',
}

/** Tables of which a part of each row stays, and what prunes them. */
export const prunedElsewhere: Readonly<Record<string, string>> = {
  accounts: 'LOCKED',
  events: 'REDACT and COLLECT',
  memberships: 'SCRUB',
  room_aliases: 'SCRUB',
  room_summaries: 'with the state event that each column comes from',
}

interface Emptied {
  readonly table: string
  readonly kind: 'nid' | 'id'
  readonly remove: ReturnType<typeof sqlRun<{ who: number | string; most: number }>>
  readonly count: ReturnType<typeof sqlQuery<{ who: number | string }, { n: number | string }>>
}

/** Every table of the data map whose rows SCRUB deletes, by each of its subject columns. */
const emptied: readonly Emptied[] = tables
  .filter(({ name, map }) => map.erasure === 'delete' && !(name in emptiedElsewhere))
  .flatMap(({ name, map, columns, primary }) =>
    map.subject.map((column): Emptied => {
      const kind = columns[column]?.kind === 'int' || columns[column]?.kind === 'serial' ? 'nid' : 'id'
      return {
        table: name,
        kind,
        remove: sqlRun(`scrub_${name}_${column}`, sliceOf(name, column, primary.join(', '))),
        count: sqlQuery(`count_${name}_${column}`, `select count(*) as n from ${name} where ${column} = :who`),
      }
    }),
  )

function sliceOf(table: string, column: string, key: string): string {
  return `delete from ${table} where (${key}) in (select ${key} from ${table} where ${column} = :who limit :most)`
}

/** The tables that SCRUB empties. */
export const scrubbedTables: readonly string[] = [...new Set(emptied.map(({ table }) => table))]

const whoOf = (each: Emptied, { userNid, userId }: Subject) => (each.kind === 'nid' ? userNid : userId)

/** How many rows of a person there are, by table. */
export async function countRowsOfSubject(conn: Conn, subject: Subject): Promise<Record<string, number>> {
  const counts: Record<string, number> = {}
  for (const each of emptied) {
    const n = Number((await each.count.first(conn, { who: whoOf(each, subject) }))?.n ?? 0)
    if (n > 0) counts[each.table] = (counts[each.table] ?? 0) + n
  }
  return counts
}

/** Deletes rows of a person in one table, at most `most`; gives how many. */
export async function deleteRowsOfSubject(tx: Tx, table: string, subject: Subject, most: number): Promise<number> {
  let deleted = 0
  for (const each of emptied)
    if (each.table === table) deleted += await each.remove(tx, { who: whoOf(each, subject), most })
  return deleted
}

const profile = sqlRun<{ userNid: number }>('deleteProfileOfUser', 'delete from profiles where user_nid = :userNid')
const names = sqlRun<{ userNid: number }>(
  'pruneMembershipsOfUser',
  `update memberships set display_name = null, avatar_url = null, stripped_state = null
   where user_nid = :userNid and (display_name is not null or avatar_url is not null or stripped_state is not null)`,
)
const aliases = sqlRun<{ userNid: number }>(
  'pruneAliasesOfUser',
  'update room_aliases set creator_nid = null where creator_nid = :userNid',
)
const edus = sqlRun<{ userNid: number; ts: number }>(
  'deleteEdusOfUser',
  `delete from outbound_edus where user_nid = :userNid and (type <> 'm.device_list_update' or created_ts < :ts)`,
)
const allEdus = sqlRun<{ userNid: number }>(
  'deleteAllEdusOfUser',
  'delete from outbound_edus where user_nid = :userNid',
)
const invites = sqlQuery<{ needle: string }, { user_nid: number; room_nid: number; stripped_state: string }>(
  'listStrippedStateNaming',
  `select user_nid, room_nid, stripped_state from memberships
   where stripped_state is not null and stripped_state like :needle escape '\\'`,
)

/** Drops a local user's profile. */
export async function deleteProfile(tx: Tx, userNid: number): Promise<void> {
  await profile(tx, { userNid })
}

/** Drops names, avatars and stripped state from a person's memberships; gives of how many. */
export function pruneMembershipsOfUser(tx: Tx, userNid: number): Promise<number> {
  return names(tx, { userNid })
}

/** Forgets who made aliases; gives of how many. */
export function pruneAliasesOfUser(tx: Tx, userNid: number): Promise<number> {
  return aliases(tx, { userNid })
}

/** Drops what waits for other servers about a person, but the deletions of devices since `ts`; gives how many. */
export function deleteEdusOfUser(tx: Tx, userNid: number, ts: number): Promise<number> {
  return edus(tx, { userNid, ts })
}

/** Drops all that waits for other servers about a person. */
export function deleteAllEdusOfUser(tx: Tx, userNid: number): Promise<number> {
  return allEdus(tx, { userNid })
}

/** Stripped state of invites and knocks that names a person; `needle` is a LIKE pattern. */
export function listStrippedStateNaming(
  conn: Conn,
  needle: string,
): Promise<{ user_nid: number; room_nid: number; stripped_state: string }[]> {
  return invites(conn, { needle })
}

const dropTransactions = sqlRun<{ userNid: number }>('deleteOutboundTransactionsOf', {
  sqlite: `delete from outbound_transactions where exists (select 1 from json_each(outbound_transactions.event_nids) x
     join events e on e.event_nid = x.value where e.sender_nid = :userNid)`,
  postgres: `delete from outbound_transactions where exists (
     select 1 from jsonb_array_elements_text(outbound_transactions.event_nids::jsonb) x
     join events e on e.event_nid = x::bigint where e.sender_nid = :userNid)`,
})

/** Drops stored transactions that hold events of a person: they are put together again, pruned. Gives how many. */
export function deleteOutboundTransactionsOf(tx: Tx, userNid: number): Promise<number> {
  return dropTransactions(tx, { userNid })
}
