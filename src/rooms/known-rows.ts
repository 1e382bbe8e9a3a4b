import type { Conn } from '../store/database.ts'
import type { ReadRow } from '../store/read-rows.ts'
import { listReadRows } from '../store/read-rows.ts'
import type { RowMark, TimelineTop } from '../store/row-marks.ts'
import { listChangedRows, listTimelineMarks } from '../store/row-marks.ts'
import { remember } from './caches.ts'
import type { Caches } from './caches.ts'

type Deps = { readonly roomCache: { readonly caches: Caches } }

type Missing = RowMark & { readonly roomNid: number }

/**
 * Of each room the newest `most` events of the timeline at or before an `ord`, newest first, by row id of the room; rooms
 * without any are missing. The same as `listTimelineBack` of each, by two statements for all.
 */
export async function readTimelines(
  deps: Deps,
  conn: Conn,
  tops: readonly TimelineTop[],
  most: number,
): Promise<Map<number, ReadRow[]>> {
  const marks = await listTimelineMarks(conn, tops, most)
  const { rows } = deps.roomCache.caches
  const missing = new Map<number, Missing>()
  const found = new Map<number, ReadRow[]>()
  for (const [roomNid, ofRoom] of marks) {
    const list: ReadRow[] = []
    for (const mark of ofRoom) {
      const row = mark.isWhole ? rows.findMarked(mark.eventNid, mark.hasChildren) : undefined
      if (row === undefined) missing.set(mark.eventNid, { ...mark, roomNid })
      else list.push(row)
    }
    found.set(roomNid, list)
  }
  for (const row of await readAnew(deps, conn, [...missing.keys()])) {
    const { roomNid, hasChildren } = missing.get(row.event_nid) as Missing
    found.get(roomNid)?.push({ ...row, has_children: hasChildren })
  }
  for (const list of found.values()) list.sort((a, b) => (b.ord as number) - (a.ord as number))
  return found
}

/** As `listReadRows`: rows by row id of the event; those that are not stored are missing. */
export async function readRows(deps: Deps, conn: Conn, nids: readonly number[]): Promise<Map<number, ReadRow>> {
  const { rows } = deps.roomCache.caches
  const found = new Map<number, ReadRow>()
  const missing: number[] = []
  for (const nid of nids) {
    const row = rows.find(nid)
    if (row === undefined) missing.push(nid)
    else found.set(nid, row)
  }
  missing.push(...(await listChangedRows(conn, [...found.keys()])))
  for (const row of await readAnew(deps, conn, missing)) found.set(row.event_nid, row)
  return found
}

async function readAnew(deps: Deps, conn: Conn, nids: readonly number[]): Promise<ReadRow[]> {
  const rows = await listReadRows(conn, nids)
  for (const row of rows) remember(conn, () => deps.roomCache.caches.rows.put(row))
  return rows
}
