import { sqlRun } from './query.ts'
import type { Tx } from './database.ts'

const start = sqlRun<{ serverNid: number; roomNid: number; sentNid: number }>(
  'startOutboundRoom',
  `insert into outbound_rooms (server_nid, room_nid, sent_nid, until_nid) values (:serverNid, :roomNid, :sentNid, null)
   on conflict (server_nid, room_nid) do update set sent_nid = excluded.sent_nid, until_nid = null`,
)
const end = sqlRun<{ serverNid: number; roomNid: number; untilNid: number }>(
  'endOutboundRoom',
  `update outbound_rooms set until_nid = coalesce((
     select max(e.event_nid) from events e
      where e.room_nid = :roomNid and e.local and e.event_nid <= :untilNid and not e.soft_failed and e.rejected is null), 0)
   where server_nid = :serverNid and room_nid = :roomNid and until_nid is null`,
)
const forget = sqlRun<{ serverNid: number; roomNid: number }>(
  'forgetOutboundRoom',
  `delete from outbound_rooms
   where server_nid = :serverNid and room_nid = :roomNid and until_nid is not null and sent_nid >= until_nid`,
)

/** From now on the server gets every event of ours in the room that is newer than `sentNid`. */
export async function startOutboundRoom(tx: Tx, serverNid: number, roomNid: number, sentNid: number): Promise<void> {
  await start(tx, { serverNid, roomNid, sentNid })
}

/**
 * The server has left the room: it still gets our events up to `untilNid`. Where it has them all nothing is kept, or it
 * would be said to wait for what never comes.
 */
export async function endOutboundRoom(tx: Tx, serverNid: number, roomNid: number, untilNid: number): Promise<void> {
  await end(tx, { serverNid, roomNid, untilNid })
  await forget(tx, { serverNid, roomNid })
}
