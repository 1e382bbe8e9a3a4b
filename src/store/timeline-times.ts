import type { Conn } from './database.ts'
import { sqlQuery } from './query.ts'

/** Where an event stands in a room's timeline, and when its sender says that it was sent. */
export interface TimelineTime {
  readonly ord: number
  readonly ts: number
}

const findNext = sqlQuery<{ roomNid: number; ord: number }, TimelineTime>(
  'findTimelineTime',
  `select ord, origin_server_ts as ts from events
   where room_nid = :roomNid and ord is not null and ord >= :ord order by ord limit 1`,
)

/** The first event of the timeline at or after an `ord`, undefined at its end. */
export function findTimelineTime(conn: Conn, roomNid: number, ord: number): Promise<TimelineTime | undefined> {
  return findNext.first(conn, { roomNid, ord })
}
