import { sqlRun } from './query.ts'
import type { Tx } from './database.ts'

const start = sqlRun<{ serverNid: number; roomNid: number; sentNid: number }>(
  'startOutboundRoom',
  `insert into outbound_rooms (server_nid, room_nid, sent_nid, until_nid) values (:serverNid, :roomNid, :sentNid, null)
   on conflict (server_nid, room_nid) do update set sent_nid = excluded.sent_nid, until_nid = null`,
)
const end = sqlRun<{ serverNid: number; roomNid: number; untilNid: number }>(
  'endOutboundRoom',
  `update outbound_rooms set until_nid = :untilNid
   where server_nid = :serverNid and room_nid = :roomNid and until_nid is null`,
)

/** From now on the server gets every event of ours in the room that is newer than `sentNid`. */
export async function startOutboundRoom(tx: Tx, serverNid: number, roomNid: number, sentNid: number): Promise<void> {
  await start(tx, { serverNid, roomNid, sentNid })
}

/** The server has left the room: `untilNid` is the last event of ours that it still gets. */
export async function endOutboundRoom(tx: Tx, serverNid: number, roomNid: number, untilNid: number): Promise<void> {
  await end(tx, { serverNid, roomNid, untilNid })
}
