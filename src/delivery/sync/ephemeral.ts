import { matchesEvent, matchesRoom, matchesSender, matchesType } from '../../protocol/filter-match.ts'
import type { Room } from '../../rooms/room.ts'
import { listNewestReceipts, listReceiptsSince, unthreaded } from '../../store/receipts.ts'
import type { ShownReceipt } from '../../store/receipts.ts'
import type { SyncContext } from './context.ts'

/** Of a room that a reader sees for the first time so many receipts are given, those at the newest events. */
const mostReceipts = 500

/** The ephemeral events of a room in an answer: receipts that the reader does not know, and who is typing where that changed. */
export async function ephemeralEvents(
  context: SyncContext,
  room: Room,
  { isWhole, hasReceipts }: { readonly isWhole: boolean; readonly hasReceipts: boolean },
): Promise<object[]> {
  const filter = context.request.filter.room.ephemeral
  if (!matchesRoom(filter, room.id)) return []
  const events: object[] = []
  if (hasReceipts && matchesType(filter, 'm.receipt')) {
    const rows = (await newReceipts(context, room, isWhole)).filter(
      ({ user_nid, user_id }) => context.deps.erased.of(user_nid) === undefined && matchesSender(filter, user_id),
    )
    if (rows.length > 0) events.push({ type: 'm.receipt', content: receiptContent(rows) })
  }
  if (matchesEvent(filter, { type: 'm.typing', content: {} })) {
    const typing = await typingEvent(context, room, isWhole)
    if (typing !== undefined) events.push(typing)
  }
  return events
}

async function newReceipts(
  { conn, moment, viewer, behind, since }: SyncContext,
  room: Room,
  isWhole: boolean,
): Promise<readonly ShownReceipt[]> {
  if (isWhole || since === undefined) return listNewestReceipts(conn, room.nid, viewer.userNid, mostReceipts)
  const key = `${room.nid} ${JSON.stringify(behind)}`
  const everybodys = await moment.receipts.of(key, () => listReceiptsSince(conn, room.nid, behind))
  return everybodys.filter(({ type, user_nid }) => type !== 'm.read.private' || user_nid === viewer.userNid)
}

/** `m.receipt`: by event, by type, by user. One user may have receipts of several threads at one event: the last counts. */
function receiptContent(rows: readonly ShownReceipt[]): Record<string, Record<string, Record<string, object>>> {
  const content: Record<string, Record<string, Record<string, object>>> = {}
  // unthreaded ones mean more
  const ordered = rows.toSorted((a, b) => Number(a.thread_id === unthreaded) - Number(b.thread_id === unthreaded))
  for (const { event_id, type, user_id, ts, thread_id } of ordered) {
    const byUser = ((content[event_id] ??= {})[type] ??= {})
    byUser[user_id] = thread_id === unthreaded ? { ts } : { ts, thread_id }
  }
  return content
}

async function typingEvent(context: SyncContext, room: Room, isWhole: boolean): Promise<object | undefined> {
  const { deps, conn, typingSince, ignored } = context
  const { typing } = deps
  const userIds = typing.list(room.nid)
  const isAll = isWhole || typingSince === undefined
  // a reader of before the last start may believe that somebody is typing
  const isNews = isAll ? userIds.length > 0 : typing.isNews(room.nid, typingSince) || typingSince < typing.startedAt
  if (!isNews) return undefined
  const shown: string[] = []
  for (const userId of userIds) {
    const userNid = await deps.roomCache.userNid(conn, userId)
    if (userNid !== undefined && !ignored.has(userNid) && deps.erased.of(userNid) === undefined) shown.push(userId)
  }
  return { type: 'm.typing', content: { user_ids: shown } }
}
