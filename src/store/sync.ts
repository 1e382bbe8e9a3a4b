import { groupBy } from '../util/group-by.ts'
import type { Conn, StreamVector } from './database.ts'
import { sqlQuery } from './query.ts'
import type { Engine } from './statement.ts'
import { listPositions } from './writer-rows.ts'

/** One room of a user: the membership and what lists show of the room. */
export interface SyncRoomRow {
  readonly room_nid: number
  readonly room_id: string
  readonly membership: string
  /** 0: no event, see `stripped_state` */
  readonly event_nid: number
  readonly sender_nid: number
  readonly forgotten: boolean
  readonly stripped_state: string | null
  /** position and order of the membership's last change */
  readonly writer: number
  readonly pos: number
  readonly ord: number | null
  /** order of the newest live event */
  readonly last_ord: number
  readonly name: string | null
  readonly canonical_alias: string | null
  readonly encryption: string | null
  readonly joined_count: number
  readonly invited_count: number
  /** JSON list of user ids */
  readonly heroes: string | null
  /** somebody's receipt in the room moved since */
  readonly has_receipts: boolean
}

/** Where a reader stands with one writer that has gone on since: `[writer, position]`. */
export type Behind = readonly (readonly [writer: number, pos: number])[]

const columns = `m.room_nid as room_nid, r.room_id as room_id, m.membership as membership, m.event_nid as event_nid,
  m.sender_nid as sender_nid, m.forgotten as forgotten, m.stripped_state as stripped_state, m.writer as writer,
  m.pos as pos, m.ord as ord, coalesce(s.last_ord, 0) as last_ord, s.name as name, s.canonical_alias as canonical_alias,
  s.encryption as encryption, coalesce(s.joined_count, 0) as joined_count, coalesce(s.invited_count, 0) as invited_count,
  s.heroes as heroes`
const joined = `join rooms r on r.room_nid = m.room_nid left join room_summaries s on s.room_nid = m.room_nid`
const anyReceipts = 'exists (select 1 from room_receipt_positions p where p.room_nid = m.room_nid) as has_receipts'
const newReceipts = `exists (select 1 from v join room_receipt_positions p on p.writer = v.writer
  where p.room_nid = m.room_nid and p.pos > v.pos) as has_receipts`
const bools = { bools: ['forgotten', 'has_receipts'] }

/** `with v(writer, pos) as (…)`: the writers that have gone on, and where the reader stands. */
export function behindTable(engine: Engine): string {
  return engine === 'sqlite'
    ? `with v as materialized (select json_extract(value, '$[0]') as writer, json_extract(value, '$[1]') as pos from json_each(:behind))`
    : `with v as materialized (select (value->>0)::bigint as writer, (value->>1)::bigint as pos from jsonb_array_elements(:behind::jsonb))`
}

const ofUser = sqlQuery<{ userNid: number }, SyncRoomRow>(
  'listSyncRooms',
  `select ${columns}, ${anyReceipts} from memberships m ${joined} where m.user_nid = :userNid`,
  bools,
)

// from what moved to the user: cheap for a reader who is nearly up to date, whatever the number of rooms
const near = sqlQuery<{ userNid: number; behind: Behind; typing: readonly number[] }, SyncRoomRow>(
  'listSyncRoomsNear',
  ({ engine, list }) => `${behindTable(engine)},
    touched(room_nid) as (
      select s.room_nid from v cross join room_summaries s where s.writer = v.writer and s.pos > v.pos
      union select p.room_nid from v cross join room_receipt_positions p where p.writer = v.writer and p.pos > v.pos
      union select a.room_nid from v cross join account_data a
        where a.user_nid = :userNid and a.writer = v.writer and a.pos > v.pos and a.room_nid <> 0
      union select t.room_nid from rooms t where t.room_nid in ${list('typing', 'int')}
    )
    select ${columns}, ${newReceipts} from touched t cross join memberships m ${joined}
      where m.user_nid = :userNid and m.room_nid = t.room_nid and m.membership = 'join'
    union all
    select ${columns}, ${newReceipts} from v cross join memberships m ${joined}
      where m.user_nid = :userNid and m.local and m.writer = v.writer and m.pos > v.pos`,
  bools,
)

// as `near`, for many readers who stand at the same place
const nearOfMany = sqlQuery<
  { userNids: readonly number[]; behind: Behind; typing: readonly number[] },
  SyncRoomRow & { readonly user_nid: number }
>(
  'listSyncRoomsOfMany',
  ({ engine, list }) => `${behindTable(engine)},
    readers(user_nid) as (select x.* from ${list('userNids', 'int')} x),
    touched(room_nid) as (
      select s.room_nid from v cross join room_summaries s where s.writer = v.writer and s.pos > v.pos
      union select p.room_nid from v cross join room_receipt_positions p where p.writer = v.writer and p.pos > v.pos
      union select t.room_nid from rooms t where t.room_nid in ${list('typing', 'int')}
    ),
    places(user_nid, room_nid) as (
      select w.user_nid, t.room_nid from touched t cross join readers w
      union select a.user_nid, a.room_nid from v cross join readers w cross join account_data a
        where a.user_nid = w.user_nid and a.writer = v.writer and a.pos > v.pos and a.room_nid <> 0
    )
    select m.user_nid as user_nid, ${columns}, ${newReceipts} from places x cross join memberships m ${joined}
      where m.user_nid = x.user_nid and m.room_nid = x.room_nid and m.membership = 'join'
    union all
    select m.user_nid, ${columns}, ${newReceipts} from v cross join readers w cross join memberships m ${joined}
      where m.user_nid = w.user_nid and m.local and m.writer = v.writer and m.pos > v.pos`,
  bools,
)

// from the user's rooms to what moved in them: for a reader who is far behind
const far = sqlQuery<{ userNid: number; behind: Behind; typing: readonly number[] }, SyncRoomRow>(
  'listSyncRoomsFar',
  ({ engine, list }) => `${behindTable(engine)}
    select ${columns}, ${newReceipts} from memberships m ${joined}
    where m.user_nid = :userNid and (
      exists (select 1 from v where v.writer = m.writer and m.pos > v.pos)
      or (m.membership = 'join' and (
        exists (select 1 from v where v.writer = s.writer and s.pos > v.pos)
        or exists (select 1 from v join room_receipt_positions p on p.writer = v.writer where p.room_nid = m.room_nid and p.pos > v.pos)
        or exists (select 1 from v join account_data a on a.writer = v.writer
          where a.user_nid = m.user_nid and a.room_nid = m.room_nid and a.pos > v.pos)
        or m.room_nid in ${list('typing', 'int')}
      ))
    )`,
  bools,
)
const joinedNids = sqlQuery<{ userNid: number }, { room_nid: number }>(
  'listJoinedRoomNids',
  `select room_nid from memberships where user_nid = :userNid and membership = 'join'`,
)
const groupAt = sqlQuery<
  { roomNid: number; ord: number; behind: Behind },
  { ord: number; state_after: number | null; current_after: number | null }
>(
  'findStateGroupAt',
  ({ engine }) => `${behindTable(engine)}
    select e.ord as ord, e.state_after as state_after, e.current_after as current_after from events e
    where e.room_nid = :roomNid and e.ord is not null and e.ord <= :ord
      and not exists (select 1 from v where v.writer = e.writer and e.pos > v.pos)
    order by e.ord desc limit 1`,
)
const related = sqlQuery<
  {
    roomNid: number
    parents: readonly string[]
    types: readonly string[]
    anyType: boolean
    senders: readonly string[]
    anySender: boolean
  },
  { parent: string }
>(
  'listRelatedParents',
  ({ list }) => `select distinct r.parent_event_id as parent
    from relations r join users u on u.user_nid = r.sender_nid
    where r.parent_event_id in ${list('parents', 'text')} and r.room_nid = :roomNid
      and (:anyType or r.rel_type in ${list('types', 'text')}) and (:anySender or u.user_id in ${list('senders', 'text')})`,
)
const changedData = sqlQuery<{ userNid: number; behind: Behind }, SyncDataRow>(
  'listAccountDataSince',
  ({ engine }) => `${behindTable(engine)}
    select a.room_nid as room_nid, a.type as type, a.content as content from v cross join account_data a
    where a.user_nid = :userNid and a.writer = v.writer and a.pos > v.pos
    union all select 0, 'm.push_rules', null from v cross join push_rules r
    where r.user_nid = :userNid and r.writer = v.writer and r.pos > v.pos`,
)
const changedDataOfMany = sqlQuery<
  { userNids: readonly number[]; behind: Behind },
  SyncDataRow & { readonly user_nid: number }
>(
  'listAccountDataOfManySince',
  ({ engine, list }) => `${behindTable(engine)}, readers(user_nid) as (select x.* from ${list('userNids', 'int')} x)
    select a.user_nid as user_nid, a.room_nid as room_nid, a.type as type, a.content as content
    from v cross join readers w cross join account_data a
    where a.user_nid = w.user_nid and a.writer = v.writer and a.pos > v.pos
    union all select r.user_nid, 0, 'm.push_rules', null from v cross join readers w cross join push_rules r
    where r.user_nid = w.user_nid and r.writer = v.writer and r.pos > v.pos`,
)
const allData = sqlQuery<{ userNid: number }, SyncDataRow>(
  'listAccountData',
  'select room_nid, type, content from account_data where user_nid = :userNid and content is not null',
)
const roomData = sqlQuery<{ userNid: number; roomNid: number }, SyncDataRow>(
  'listRoomAccountData',
  'select room_nid, type, content from account_data where user_nid = :userNid and room_nid = :roomNid and content is not null',
)

/** One item of account data; null: deleted. */
export interface SyncDataRow {
  /** 0: of no room */
  readonly room_nid: number
  readonly type: string
  readonly content: string | null
}

/**
 * The positions that `conn` sees, of every writer. Unlike `Database.streamVector` what is committed and not yet on disk
 * counts: only for readers whose answer waits for `Database.durable`, as those of the HTTP side do.
 */
export async function readVector(conn: Conn): Promise<StreamVector> {
  return new Map((await listPositions(conn)).map(({ writer_nid, position }) => [writer_nid, position]))
}

/** Every room that a user ever had to do with. */
export function listSyncRooms(conn: Conn, userNid: number): Promise<SyncRoomRow[]> {
  return ofUser(conn, { userNid })
}

/**
 * The rooms of a user with something that a reader does not know: joined ones where anything happened or somebody is
 * typing (`typing`: row ids of rooms), and all whose membership changed. `isNear` chooses the cheaper way.
 */
export async function listChangedSyncRooms(
  conn: Conn,
  userNid: number,
  news: { readonly behind: Behind; readonly typing: readonly number[]; readonly isNear: boolean },
): Promise<SyncRoomRow[]> {
  const rows = await (news.isNear ? near : far)(conn, { userNid, behind: news.behind, typing: news.typing })
  return news.isNear ? [...new Map(rows.map((row) => [row.room_nid, row])).values()] : rows
}

/** As `listChangedSyncRooms`, `isNear`, of many users whose readers stand at the same place; users without any are missing. */
export async function listChangedSyncRoomsOfMany(
  conn: Conn,
  userNids: readonly number[],
  news: { readonly behind: Behind; readonly typing: readonly number[] },
): Promise<Map<number, SyncRoomRow[]>> {
  const { behind, typing } = news
  const byUser = new Map<number, Map<number, SyncRoomRow>>()
  for (const { user_nid: userNid, ...row } of await nearOfMany(conn, { userNids, behind, typing })) {
    let rooms = byUser.get(userNid)
    if (rooms === undefined) byUser.set(userNid, (rooms = new Map()))
    rooms.set(row.room_nid, row)
  }
  return new Map([...byUser].map(([userNid, rooms]) => [userNid, [...rooms.values()]]))
}

/** The rooms that a user is in. */
export async function listJoinedRoomNids(conn: Conn, userNid: number): Promise<number[]> {
  return (await joinedNids(conn, { userNid })).map(({ room_nid }) => room_nid)
}

/** The newest event of the timeline, at or before an `ord`, that a reader knows: its place and the room's state after it. */
export async function findStateGroupAt(
  conn: Conn,
  roomNid: number,
  ord: number,
  behind: Behind,
): Promise<{ readonly ord: number; readonly group: number } | undefined> {
  const row = await groupAt.first(conn, { roomNid, ord, behind })
  return row === undefined ? undefined : { ord: row.ord, group: row.current_after ?? row.state_after ?? 0 }
}

/** Those of the events that an event of these types of relation and of these senders relates to; undefined lets all through. */
export async function listRelatedParents(
  conn: Conn,
  roomNid: number,
  parents: readonly string[],
  by: { readonly types: ReadonlySet<string> | undefined; readonly senders: ReadonlySet<string> | undefined },
): Promise<Set<string>> {
  const rows = await related(conn, {
    roomNid,
    parents,
    types: [...(by.types ?? [])],
    anyType: by.types === undefined,
    senders: [...(by.senders ?? [])],
    anySender: by.senders === undefined,
  })
  return new Set(rows.map(({ parent }) => parent))
}

/**
 * A user's account data, of no room and of all, that a reader does not know yet; without `behind` all there is. Changed
 * push rules are an `m.push_rules` without content.
 */
export function listSyncAccountData(conn: Conn, userNid: number, behind: Behind | undefined): Promise<SyncDataRow[]> {
  return behind === undefined ? allData(conn, { userNid }) : changedData(conn, { userNid, behind })
}

/** As `listSyncAccountData` since a place, of many users whose readers stand there; users without any are missing. */
export async function listSyncAccountDataOfMany(
  conn: Conn,
  userNids: readonly number[],
  behind: Behind,
): Promise<Map<number, SyncDataRow[]>> {
  return groupBy(await changedDataOfMany(conn, { userNids, behind }), ({ user_nid }) => user_nid)
}

/** A user's account data of one room. */
export function listRoomAccountData(conn: Conn, userNid: number, roomNid: number): Promise<SyncDataRow[]> {
  return roomData(conn, { userNid, roomNid })
}
