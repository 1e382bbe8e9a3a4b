import type { Conn, Tx } from './database.ts'
import { sqlQuery, sqlRun } from './query.ts'

/** How the work in a room stands. */
export type ErasureRoomState = 'pending' | 'redacted' | 'leaving' | 'done' | 'failed'

/** A room of an erasure. */
export interface ErasureRoom {
  readonly room_nid: number
  readonly room_id: string
  readonly state: ErasureRoomState
  readonly events: number
  readonly redactions_sent: number
  readonly last_redaction_nid: number | null
  readonly not_before_ts: number
  readonly attempts: number
  readonly error: string | null
}

const columns = `r.room_nid, m.room_id, r.state, r.events, r.redactions_sent, r.last_redaction_nid, r.not_before_ts, r.attempts, r.error`
const list = sqlQuery<{ nid: number; state: string }, ErasureRoom>(
  'listErasureRooms',
  `select ${columns} from erasure_rooms r join rooms m on m.room_nid = r.room_nid
   where r.erasure_nid = :nid and r.state = :state order by r.events, r.room_nid`,
)
const all = sqlQuery<{ nid: number }, ErasureRoom>(
  'listAllErasureRooms',
  `select ${columns} from erasure_rooms r join rooms m on m.room_nid = r.room_nid where r.erasure_nid = :nid order by r.room_nid`,
)
const put = sqlRun<{
  nid: number
  roomNid: number
  state: string
  notBefore: number
  attempts: number
  error: string | null
}>(
  'putErasureRoom',
  `update erasure_rooms set state = :state, not_before_ts = :notBefore, attempts = :attempts, error = :error
   where erasure_nid = :nid and room_nid = :roomNid`,
)
const sent = sqlRun<{ nid: number; roomNid: number; eventNid: number }>(
  'putErasureRoomRedaction',
  `update erasure_rooms set redactions_sent = redactions_sent + 1, last_redaction_nid = :eventNid
   where erasure_nid = :nid and room_nid = :roomNid`,
)
const unacknowledged = sqlQuery<{ roomNid: number; eventNid: number }, { n: number | string }>(
  'countHostsBehind',
  `select count(*) as n from outbound_rooms o left join destinations d on d.server_nid = o.server_nid
   where o.room_nid = :roomNid and o.sent_nid < :eventNid and (o.until_nid is null or o.until_nid > o.sent_nid)
     and d.failing_since_ts is null`,
)
const waiting = sqlQuery<{ now: number }, { erasure_nid: number; room_nid: number }>(
  'listRoomsToLeave',
  `select r.erasure_nid, r.room_nid from erasure_rooms r join erasures e on e.erasure_nid = r.erasure_nid
   where r.state = 'leaving' and r.not_before_ts <= :now and e.state in ('COLLECT', 'SETTLED', 'STUCK') limit 50`,
)
const claim = sqlRun<{ nid: number; roomNid: number; now: number; next: number }>(
  'claimRoomToLeave',
  `update erasure_rooms set not_before_ts = :next
   where erasure_nid = :nid and room_nid = :roomNid and state = 'leaving' and not_before_ts <= :now`,
)

/** The rooms of an erasure in a state, those with the fewest events first. */
export function listErasureRooms(conn: Conn, nid: number, state: ErasureRoomState): Promise<ErasureRoom[]> {
  return list(conn, { nid, state })
}

/** All rooms of an erasure. */
export function listAllErasureRooms(conn: Conn, nid: number): Promise<ErasureRoom[]> {
  return all(conn, { nid })
}

/** Sets how the work in a room stands. */
export async function putErasureRoom(
  tx: Tx,
  nid: number,
  roomNid: number,
  reached: {
    readonly state: ErasureRoomState
    readonly notBeforeTs: number
    readonly attempts: number
    readonly error: string | null
  },
): Promise<void> {
  const { state, notBeforeTs, attempts, error } = reached
  await put(tx, { nid, roomNid, state, notBefore: notBeforeTs, attempts, error })
}

/** Counts a redaction that was sent. */
export async function putErasureRoomRedaction(tx: Tx, nid: number, roomNid: number, eventNid: number): Promise<void> {
  await sent(tx, { nid, roomNid, eventNid })
}

/** How many servers that answer have not yet acknowledged our events of a room up to this one. */
export async function countHostsBehind(conn: Conn, roomNid: number, eventNid: number): Promise<number> {
  return Number((await unacknowledged.first(conn, { roomNid, eventNid }))?.n ?? 0)
}

/** Rooms that could not be left and are to be tried again. */
export function listRoomsToLeave(conn: Conn, now: number): Promise<{ erasure_nid: number; room_nid: number }[]> {
  return waiting(conn, { now })
}

/** Takes one of them, so that nobody else tries it before `nextTs`; false where somebody did. */
export async function claimRoomToLeave(
  tx: Tx,
  nid: number,
  roomNid: number,
  now: number,
  nextTs: number,
): Promise<boolean> {
  return (await claim(tx, { nid, roomNid, now, next: nextTs })) > 0
}
