import type { EventId } from '../protocol/ids.ts'
import type { Conn } from './database.ts'
import { sqlQuery } from './query.ts'

/** An edit that may stand for what it edits. */
export interface EditRow {
  readonly parent: EventId
  readonly event_nid: number
}

/** A thread, seen from its root. */
export interface ThreadRow {
  readonly parent: EventId
  readonly event_nid: number
  readonly count: number
  readonly participated: boolean
}

const present = sqlQuery<{ parents: readonly string[] }, { parent: EventId; rel_type: string }>(
  'read_relation_kinds',
  ({ list }) =>
    `select distinct r.parent_event_id as parent, r.rel_type from relations r
     where r.parent_event_id in ${list('parents', 'text')} and r.rel_type in ('m.replace', 'm.thread', 'm.reference')`,
)
// the newest by origin_server_ts; a few, because validity needs their content (event_replacements)
const edits = sqlQuery<{ parents: readonly string[] }, EditRow>(
  'read_latest_edits',
  ({ list }) =>
    `select parent, event_nid from (
       select r.parent_event_id as parent, e.event_nid,
         row_number() over (partition by r.parent_event_id order by e.origin_server_ts desc, e.event_id desc) as place
       from relations r join events e on e.event_nid = r.event_nid join events p on p.event_id = r.parent_event_id
       where r.parent_event_id in ${list('parents', 'text')} and r.rel_type = 'm.replace'
         and e.sender_nid = p.sender_nid and e.type = p.type and e.room_nid = p.room_nid
         and e.state_key_nid is null and p.state_key_nid is null and e.ord is not null
         and e.redacted_by is null and e.pruned_ts is null
     ) newest where place <= 5 order by parent, place`,
)
const threads = sqlQuery<{ parents: readonly string[]; userNid: number; ignored: readonly number[] }, ThreadRow>(
  'read_threads',
  ({ list }) =>
    `select parent, event_nid, count, participated from (
       select r.parent_event_id as parent, e.event_nid,
         count(*) over (partition by r.parent_event_id) as count,
         (max(case when r.sender_nid = :userNid then 1 else 0 end) over (partition by r.parent_event_id)) = 1 as participated,
         row_number() over (partition by r.parent_event_id order by e.ord desc) as place
       from relations r join events e on e.event_nid = r.event_nid join events p on p.event_id = r.parent_event_id
       where r.parent_event_id in ${list('parents', 'text')} and r.rel_type = 'm.thread' and e.ord is not null
         and e.room_nid = p.room_nid
         and e.redacted_by is null and e.pruned_ts is null and r.sender_nid not in ${list('ignored', 'int')}
     ) newest where place = 1`,
  { bools: ['participated'] },
)
const references = sqlQuery<
  { parents: readonly string[]; ignored: readonly number[] },
  { parent: EventId; event_nid: number }
>(
  'read_references',
  ({ list }) =>
    `select parent, event_nid from (
       select r.parent_event_id as parent, e.event_nid, e.ord,
         row_number() over (partition by r.parent_event_id order by e.ord desc) as place
       from relations r join events e on e.event_nid = r.event_nid join events p on p.event_id = r.parent_event_id
       where r.parent_event_id in ${list('parents', 'text')} and r.rel_type = 'm.reference' and e.ord is not null
         and e.room_nid = p.room_nid
         and e.redacted_by is null and e.pruned_ts is null and r.sender_nid not in ${list('ignored', 'int')}
     ) newest where place <= 100 order by parent, ord`,
)
const related = sqlQuery<{ ids: readonly string[] }, { parent: EventId; rel_type: string; sender: string }>(
  'read_related_by',
  ({ list }) =>
    `select distinct r.parent_event_id as parent, r.rel_type, u.user_id as sender from relations r join users u on u.user_nid = r.sender_nid
     where r.parent_event_id in ${list('ids', 'text')}`,
)

/** A child of an event, with the place of the child. */
export interface ChildRow {
  readonly event_nid: number
  readonly event_id: EventId
  readonly ord: number
  readonly rel_type: string
  readonly type: string
}

interface ChildrenParams {
  readonly parents: readonly string[]
  readonly roomNid: number
  readonly ord: number
  readonly relType: string
  readonly eventType: string
  readonly most: number
}

const childrenSql = (list: string, order: 'b' | 'f') =>
  `select e.event_nid, e.event_id, e.ord, r.rel_type, e.type from relations r join events e on e.event_nid = r.event_nid
   where r.parent_event_id in ${list} and e.room_nid = :roomNid and e.ord is not null
     and e.ord ${order === 'b' ? '<=' : '>'} :ord and (:relType = '' or r.rel_type = :relType)
     and (:eventType = '' or e.type = :eventType) and e.redacted_by is null
   order by e.ord ${order === 'b' ? 'desc' : 'asc'} limit :most`
const childrenBack = sqlQuery<ChildrenParams, ChildRow>('read_children_back', ({ list }) =>
  childrenSql(list('parents', 'text'), 'b'),
)
const childrenForward = sqlQuery<ChildrenParams, ChildRow>('read_children_forward', ({ list }) =>
  childrenSql(list('parents', 'text'), 'f'),
)
const threadRoots = sqlQuery<
  { roomNid: number; before: number; most: number; participant: number; all: boolean },
  { event_nid: number; last_ord: number }
>(
  'read_thread_roots',
  `select p.event_nid, t.last_ord from (
     select r.parent_event_id as parent, max(e.ord) as last_ord,
       max(case when r.sender_nid = :participant then 1 else 0 end) as participated
     from relations r join events e on e.event_nid = r.event_nid
     where r.room_nid = :roomNid and r.rel_type = 'm.thread' and e.ord is not null and e.redacted_by is null and e.pruned_ts is null
     group by r.parent_event_id
   ) t join events p on p.event_id = t.parent
   where t.last_ord < :before and p.room_nid = :roomNid and p.ord is not null
     and (:all or t.participated = 1 or p.sender_nid = :participant)
   order by t.last_ord desc limit :most`,
)

/** Which of these events anything relates to in a way that is bundled, and how. */
export async function listRelationKinds(
  conn: Conn,
  parents: readonly EventId[],
): Promise<{ parent: EventId; rel_type: string }[]> {
  return parents.length === 0 ? [] : present(conn, { parents })
}

/** The newest edits of events, newest first, at most 5 of each; whether they have new content must still be looked at. */
export function listEdits(conn: Conn, parents: readonly EventId[]): Promise<EditRow[]> {
  return edits(conn, { parents })
}

/** Threads by their roots: the newest event, how many, and whether the user wrote in it. */
export async function listThreads(
  conn: Conn,
  parents: readonly EventId[],
  userNid: number,
  ignored: readonly number[],
): Promise<ThreadRow[]> {
  return (await threads(conn, { parents, userNid, ignored })).map((row) => ({ ...row, count: Number(row.count) }))
}

/** What refers to events, oldest first, the newest 100 of each. */
export function listReferring(
  conn: Conn,
  parents: readonly EventId[],
  ignored: readonly number[],
): Promise<{ parent: EventId; event_nid: number }[]> {
  return references(conn, { parents, ignored })
}

/** By what relations, and of whom, these events are related to. */
export async function listRelatedBy(
  conn: Conn,
  ids: readonly EventId[],
): Promise<{ parent: EventId; rel_type: string; sender: string }[]> {
  return ids.length === 0 ? [] : related(conn, { ids })
}

/** Which children: at or before `ord` newest first (`b`), or after it oldest first; of all types where none is named. */
export interface ChildrenRequest {
  readonly direction: 'b' | 'f'
  readonly ord: number
  readonly relType?: string | undefined
  readonly eventType?: string | undefined
  readonly most: number
}

/** The children of events in one room. Redacted ones have lost their relation. */
export async function listChildrenOf(
  conn: Conn,
  roomNid: number,
  parents: readonly EventId[],
  { direction, ord, relType = '', eventType = '', most }: ChildrenRequest,
): Promise<ChildRow[]> {
  if (parents.length === 0) return []
  return (direction === 'b' ? childrenBack : childrenForward)(conn, { parents, roomNid, ord, relType, eventType, most })
}

/** The roots of a room's threads by their newest event, whose `ord` is below `before`; all, or those with the user's part. */
export function listThreadRoots(
  conn: Conn,
  roomNid: number,
  options: { readonly before: number; readonly most: number; readonly participant: number; readonly all: boolean },
): Promise<{ event_nid: number; last_ord: number }[]> {
  return threadRoots(conn, { roomNid, ...options })
}
