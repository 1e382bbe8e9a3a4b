import { writeAsUser } from '../accounts/active.ts'
import type { Requester } from '../accounts/requester.ts'
import type { RemoteReceipt } from '../federation/edus.ts'
import { MatrixError } from '../protocol/errors.ts'
import type { EventId, RoomId, ServerName, UserId } from '../protocol/ids.ts'
import { isAllowedByAcl } from '../rooms/checks/server-acl.ts'
import type { Room } from '../rooms/room.ts'
import { findAccountData, putAccountData } from '../store/account-data.ts'
import type { Conn, Tx } from '../store/database.ts'
import { findEventById, listEventsByIds } from '../store/events.ts'
import type { EventRow } from '../store/events.ts'
import { findMembership } from '../store/memberships.ts'
import { findReceipt, putReceipt, unthreaded } from '../store/receipts.ts'
import { deleteReadNotifications, mainThread } from '../store/unread.ts'
import type { DeliveryDeps } from './deps.ts'

type Deps = Pick<DeliveryDeps, 'database' | 'roomCache' | 'clock' | 'changes' | 'outbound'>
type User = Pick<Requester, 'userNid' | 'userId'>

/** The kinds of mark that a client can set. */
export type MarkType = 'm.read' | 'm.read.private' | 'm.fully_read'

/** How far a user has read, by one kind of mark. */
export interface Mark {
  readonly type: MarkType
  readonly eventId: EventId
  /** `main` or a thread's root; undefined: regardless of threads */
  readonly threadId?: string | undefined
}

interface PlacedMark extends Mark {
  readonly row: EventRow
}

/**
 * Sets marks of a local user (`POST …/receipt/…`, `POST …/read_markers`). None goes backwards. Public receipts are told
 * to the other servers in the room. Throws `M_FORBIDDEN` for somebody who is not in the room, `M_NOT_FOUND` for an event
 * that is not in it, `M_INVALID_PARAM` for a thread that the event is not in.
 */
export async function setMarks(deps: Deps, user: User, roomId: RoomId, marks: readonly Mark[]): Promise<void> {
  for (const { type, threadId } of marks)
    if (type === 'm.fully_read' && threadId !== undefined)
      throw new MatrixError('M_INVALID_PARAM', 'm.fully_read has no thread')
  const { room, placed } = await deps.database.read((conn) => placeMarks(deps, conn, user, roomId, marks))
  const ts = deps.clock.now()
  const moved = await writeAsUser(deps, user.userNid, async (tx) => {
    const done: PlacedMark[] = []
    for (const mark of placed) if (await moveMark(tx, user.userNid, room.nid, mark, ts)) done.push(mark)
    if (done.length === 0) return done
    const isPublic = done.some(({ type }) => type === 'm.read')
    tx.afterCommit(() => deps.changes.announce(isPublic ? { roomNids: [room.nid] } : { userNids: [user.userNid] }))
    return done
  })
  for (const { type, row, threadId } of moved) {
    // that somebody has read their own event is known to all
    if (type === 'm.read' && row.sender_nid !== user.userNid) tell(deps, room, user.userId, row.event_id, ts, threadId)
  }
}

async function placeMarks(
  deps: Pick<Deps, 'roomCache'>,
  conn: Conn,
  user: User,
  roomId: RoomId,
  marks: readonly Mark[],
): Promise<{ readonly room: Room; readonly placed: readonly PlacedMark[] }> {
  const room = await deps.roomCache.find(conn, roomId)
  const membership = room === undefined ? undefined : await findMembership(conn, user.userNid, room.nid)
  if (room === undefined || membership?.membership !== 'join')
    throw new MatrixError('M_FORBIDDEN', 'You are not in this room')
  const placed: PlacedMark[] = []
  for (const mark of marks) {
    const row = await findEventById(conn, mark.eventId)
    if (row === undefined || row.room_nid !== room.nid) throw new MatrixError('M_NOT_FOUND', 'Event not found')
    if (mark.threadId !== undefined && !isInThread(row, mark.threadId))
      throw new MatrixError('M_INVALID_PARAM', 'The event is not in this thread')
    placed.push({ ...mark, row })
  }
  return { room, placed }
}

/** A root is in the main timeline, and opens its thread. */
function isInThread(row: EventRow, threadId: string): boolean {
  return threadId === (row.thread_id ?? mainThread) || threadId === row.event_id
}

async function moveMark(tx: Tx, userNid: number, roomNid: number, mark: PlacedMark, ts: number): Promise<boolean> {
  const { type, row, threadId } = mark
  const { ord } = row
  // an event that is in no timeline is no place to have read up to
  if (ord === null) return false
  if (type === 'm.fully_read') return moveFullyRead(tx, userNid, roomNid, mark.eventId, ord)
  const key = { roomNid, userNid, type, threadId: threadId ?? unthreaded }
  const before = await findReceipt(tx, key)
  if (before?.ord != null && before.ord >= ord) return false
  await putReceipt(tx, key, { eventId: mark.eventId, ord, ts })
  await deleteReadNotifications(tx, userNid, roomNid, { ord, threadId })
  return true
}

async function moveFullyRead(
  tx: Tx,
  userNid: number,
  roomNid: number,
  eventId: EventId,
  ord: number,
): Promise<boolean> {
  const before = await findAccountData(tx, userNid, roomNid, 'm.fully_read')
  if (before?.content != null) {
    const { event_id: known } = JSON.parse(before.content) as { event_id: EventId }
    const place = (await findEventById(tx, known))?.ord
    if (place != null && place >= ord) return false
  }
  await putAccountData(tx, { userNid, roomNid, type: 'm.fully_read', content: JSON.stringify({ event_id: eventId }) })
  return true
}

function tell(
  deps: Pick<Deps, 'outbound'>,
  room: Room,
  userId: UserId,
  eventId: string,
  ts: number,
  threadId: string | undefined,
): void {
  if (room.hosts.length === 0) return
  const data = threadId === undefined ? { ts } : { ts, thread_id: threadId }
  deps.outbound.sendEphemeral(room.hosts, {
    type: 'm.receipt',
    content: { [room.id]: { 'm.read': { [userId]: { event_ids: [eventId], data } } } },
    key: `receipt ${room.id} ${userId} ${threadId ?? ''}`,
  })
}

/** What another server says of users of its own who are in the room (server-server API, "Receipts"); the rest means nothing. */
export async function applyRemoteReceipts(
  deps: Deps,
  origin: ServerName,
  receipts: readonly RemoteReceipt[],
): Promise<void> {
  if (receipts.length === 0) return
  const now = deps.clock.now()
  await deps.database.write(async (tx) => {
    const rows = await listEventsByIds(tx, [...new Set(receipts.map(({ eventId }) => eventId))])
    const places = new Map(rows.map((row) => [row.event_id, row]))
    const moved = new Set<number>()
    const allowed = new Map<RoomId, Room | undefined>()
    for (const { roomId, userId, eventId, threadId, ts } of receipts) {
      if (!allowed.has(roomId)) allowed.set(roomId, await roomOpenTo(deps, tx, roomId, origin))
      const room = allowed.get(roomId)
      const row = places.get(eventId)
      if (room === undefined || row?.ord == null || row.room_nid !== room.nid) continue
      const userNid = await deps.roomCache.userNid(tx, userId)
      if (userNid === undefined || (await findMembership(tx, userNid, room.nid))?.membership !== 'join') continue
      const key = { roomNid: room.nid, userNid, type: 'm.read', threadId: threadId ?? unthreaded }
      const before = await findReceipt(tx, key)
      if (before?.ord != null && before.ord >= row.ord) continue
      await putReceipt(tx, key, { eventId, ord: row.ord, ts: ts > 0 && ts <= now ? ts : now })
      moved.add(room.nid)
    }
    if (moved.size > 0) tx.afterCommit(() => deps.changes.announce({ roomNids: [...moved] }))
  })
}

async function roomOpenTo(
  deps: Pick<Deps, 'roomCache'>,
  conn: Conn,
  roomId: RoomId,
  origin: ServerName,
): Promise<Room | undefined> {
  const room = await deps.roomCache.find(conn, roomId)
  return room !== undefined && (await isAllowedByAcl(deps, conn, room, origin)) ? room : undefined
}
