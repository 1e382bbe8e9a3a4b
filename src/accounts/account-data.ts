import { MatrixError } from '../protocol/errors.ts'
import type { RoomId } from '../protocol/ids.ts'
import type { JsonObject } from '../protocol/json-types.ts'
import { utf8Length } from '../protocol/text.ts'
import { countAccountDataBytes, findAccountData, globalRoom, putAccountData } from '../store/account-data.ts'
import type { Conn, Tx } from '../store/database.ts'
import { findMembership } from '../store/memberships.ts'
import { findRoomById } from '../store/rooms.ts'
import { writeAsUser } from './active.ts'
import type { AccountsDeps } from './deps.ts'
import { pushRulesContent } from './push-rules.ts'
import type { Requester } from './requester.ts'

/** The largest item of account data, in bytes. */
export const maxItemBytes = 256 * 1024
/** NOTSPEC: the most account data that one user can store, in bytes. */
export const maxTotalBytes = 64 * 1024 * 1024
const maxTypeBytes = 255

// managed by the server (client-server API, "Client Config", "Server Behaviour")
const managed = new Set(['m.fully_read', 'm.push_rules'])

type Deps = Pick<AccountsDeps, 'database' | 'changes'>
type User = Pick<Requester, 'userNid' | 'userId'>

/**
 * An item of account data, as serialised JSON; of a room, where one is named. Throws `M_NOT_FOUND`, also for rooms that
 * the user never had to do with.
 */
export async function getAccountData(
  deps: Pick<Deps, 'database'>,
  user: User,
  roomId: RoomId | undefined,
  type: string,
): Promise<string> {
  const { userNid, userId } = user
  const content = await deps.database.read(async (conn) => {
    const roomNid = await roomNidFor(conn, userNid, roomId)
    if (roomNid === undefined) return undefined
    if (type === 'm.push_rules' && roomNid === globalRoom)
      return JSON.stringify(await pushRulesContent(conn, userNid, userId))
    return (await findAccountData(conn, userNid, roomNid, type))?.content
  })
  if (content == null) throw new MatrixError('M_NOT_FOUND', 'Account data not found')
  return content
}

/**
 * Sets an item of account data. Throws `M_BAD_JSON` (405) for types that the server manages, `M_TOO_LARGE`,
 * `M_INVALID_PARAM` for a type that is too long, `M_NOT_FOUND` for rooms that the user never had to do with.
 */
export async function setAccountData(
  deps: Deps,
  user: User,
  roomId: RoomId | undefined,
  type: string,
  content: JsonObject,
): Promise<void> {
  if (managed.has(type)) throw new MatrixError('M_BAD_JSON', `Cannot set ${type} through this API`, {}, 405)
  if (type === '' || utf8Length(type) > maxTypeBytes)
    throw new MatrixError('M_INVALID_PARAM', 'The type has 1 to 255 bytes')
  await changeAccountData(deps, user, roomId, type, () => content)
}

/** Replaces an item by what `change` makes of it, `{}` where there is none. Throws as `setAccountData`, and what `change` throws. */
export async function changeAccountData(
  deps: Deps,
  { userNid }: User,
  roomId: RoomId | undefined,
  type: string,
  change: (before: JsonObject) => JsonObject,
): Promise<void> {
  await writeAsUser(deps, userNid, async (tx) => {
    const roomNid = await roomNidFor(tx, userNid, roomId)
    if (roomNid === undefined) throw new MatrixError('M_NOT_FOUND', 'Unknown room')
    const before = (await findAccountData(tx, userNid, roomNid, type))?.content ?? '{}'
    const content = JSON.stringify(change(JSON.parse(before) as JsonObject))
    await assertFits(tx, userNid, content, before)
    await putAccountData(tx, { userNid, roomNid, type, content })
    tx.afterCommit(() => deps.changes.announce({ userNids: [userNid] }))
  })
}

async function assertFits(tx: Tx, userNid: number, content: string, before: string): Promise<void> {
  const bytes = utf8Length(content)
  if (bytes > maxItemBytes) throw new MatrixError('M_TOO_LARGE', 'Account data of more than 256 KiB')
  // small items are not worth a sum over everything
  if (bytes <= Math.max(1024, before.length)) return
  if ((await countAccountDataBytes(tx, userNid)) + bytes > maxTotalBytes)
    throw new MatrixError('M_RESOURCE_LIMIT_EXCEEDED', 'Too much account data')
}

async function roomNidFor(conn: Conn, userNid: number, roomId: RoomId | undefined): Promise<number | undefined> {
  if (roomId === undefined) return globalRoom
  const room = await findRoomById(conn, roomId)
  if (room === undefined) return undefined
  return (await findMembership(conn, userNid, room.room_nid)) === undefined ? undefined : room.room_nid
}
