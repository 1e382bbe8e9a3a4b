import type { Conn } from '../store/database.ts'
import type { ReadRow } from '../store/read-rows.ts'
import { listReadRows } from '../store/read-rows.ts'
import type { RowMark, TimelineTop } from '../store/row-marks.ts'
import { listChangedRows, listTimelineMarks } from '../store/row-marks.ts'
import { remember } from './caches.ts'
import type { Caches } from './caches.ts'

type Deps = { readonly roomCache: { readonly caches: Caches } }

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
  const found = new Map<number, ReadRow>()
  const missing: number[] = []
  for (const { event_nid: nid, whole: isWhole, has_children: hasChildren } of marks) {
    const row = !isWhole ? undefined : hasChildren ? rows.find(nid) : rows.findChildless(nid)
    if (row === undefined) missing.push(nid)
    else found.set(nid, row)
  }
  for (const row of await readAnew(deps, conn, missing)) found.set(row.event_nid, row)
  return inOrder(marks, found)
}

function inOrder(marks: readonly RowMark[], found: ReadonlyMap<number, ReadRow>): Map<number, ReadRow[]> {
  const byRoom = new Map<number, ReadRow[]>()
  for (const { room_nid: roomNid, event_nid: nid, has_children: hasChildren } of marks) {
    const row = found.get(nid)
    if (row === undefined) continue
    const marked = row.has_children === hasChildren ? row : { ...row, has_children: hasChildren }
    const list = byRoom.get(roomNid)
    if (list === undefined) byRoom.set(roomNid, [marked])
    else list.push(marked)
  }
  for (const list of byRoom.values()) list.sort((a, b) => (b.ord as number) - (a.ord as number))
  return byRoom
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
