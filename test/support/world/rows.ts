import { sqlQuery } from '../../../src/store/query.ts'
import { listCurrentState } from '../../../src/store/current-state.ts'
import type { RoomId } from '../../../src/protocol/ids.ts'
import { stateMapOf } from '../../../src/rooms/layers.ts'
import type { Room } from '../../../src/rooms/room.ts'
import type { WorldServer } from './server.ts'

/** An event as a server has stored it. */
export interface StoredEvent {
  readonly event_nid: number
  readonly event_id: string
  readonly type: string
  readonly ord: number | null
  readonly outlier: boolean
  readonly rejected: string | null
  readonly soft_failed: boolean
  readonly backfilled: boolean
  readonly pruned_ts: number | null
  readonly redacted_by: number | null
  readonly json: string
  readonly local: boolean
  readonly state_key_nid: number | null
  readonly state_after: number | null
  readonly current_after: number | null
  /** a redaction that came before its target, or may not be applied: clients do not get it in its place */
  readonly is_waiting: boolean
}

const listEvents = sqlQuery<{ roomNid: number }, StoredEvent>(
  'worldListEvents',
  `select event_nid, event_id, type, ord, outlier, rejected, soft_failed, backfilled, pruned_ts, redacted_by, json,
     local, state_key_nid, state_after, current_after,
     exists (select 1 from redactions r left join events target on target.event_id = r.redacts
       where r.redaction_nid = events.event_nid and (not r.applied or target.event_nid > r.redaction_nid)) as is_waiting
   from events where room_nid = :roomNid order by ord`,
  { bools: ['outlier', 'soft_failed', 'backfilled', 'local', 'is_waiting'] },
)

/** What a server knows of a room. */
export interface Copy {
  readonly server: WorldServer
  readonly room: Room
  readonly events: ReadonlyMap<string, StoredEvent>
  /** place to event id */
  readonly state: ReadonlyMap<string, string>
  readonly extremities: readonly string[]
}

/** Reads all that a server has of a room, past its caches; undefined where it does not know it. */
export async function readCopy(server: WorldServer, roomId: string): Promise<Copy | undefined> {
  const { database, roomCache } = server.composed.deps
  return database.read(async (conn) => {
    const room = await roomCache.find(conn, roomId as RoomId)
    if (room === undefined) return undefined
    const rows = await listEvents(conn, { roomNid: room.nid })
    const byNid = new Map(rows.map((row) => [row.event_nid, row.event_id]))
    const state = await listCurrentState(conn, room.nid)
    return {
      server,
      room,
      events: new Map(rows.map((row) => [row.event_id, row])),
      state: new Map(state.map(({ type, stateKey, eventNid }) => [`${type} ${stateKey}`, byNid.get(eventNid) ?? '?'])),
      extremities: room.extremities.map(({ eventId }) => eventId as string).sort(),
    }
  })
}

/** The live timeline of a room on a server as clients get it, oldest first. */
export function timelineOf(copy: Copy): string[] {
  return [...copy.events.values()]
    .filter(({ ord, backfilled, is_waiting: isWaiting }) => ord !== null && !backfilled && !isWaiting)
    .map((row) => row.event_id)
}

/**
 * Messages of other servers' users in the live timeline of a room, of those given, whose sender was not in the room when
 * they came in, by the current state at that moment: they should have been soft-failed.
 */
export async function listIntruders({ server, events }: Copy, among: ReadonlySet<string>): Promise<string[]> {
  const { database, roomCache } = server.composed.deps
  const live = [...events.values()].filter(({ ord, backfilled }) => ord !== null && !backfilled)
  const byNid = new Map(live.map((row) => [row.event_nid, row]))
  for (const row of events.values()) byNid.set(row.event_nid, row)
  return database.read(async (conn) => {
    const found: string[] = []
    for (const [i, row] of live.entries()) {
      const before = live[i - 1]
      const group = before?.current_after ?? before?.state_after
      if (row.local || row.state_key_nid !== null || !among.has(row.event_id) || group == null) continue
      const { sender } = JSON.parse(row.json) as { sender: string }
      const keyNid = await roomCache.stateKeyNid(conn, { type: 'm.room.member', stateKey: sender })
      const memberNid = keyNid === undefined ? undefined : (await stateMapOf(roomCache.caches, conn, group)).get(keyNid)
      const member = memberNid === undefined ? undefined : byNid.get(memberNid)
      const content = member && (JSON.parse(member.json) as { content: { membership?: string } }).content
      if (content?.membership !== 'join') found.push(row.event_id)
    }
    return found
  })
}
