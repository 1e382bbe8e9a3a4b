import { MatrixError } from '../protocol/errors.ts'
import type { RoomId, ServerName, UserId } from '../protocol/ids.ts'
import type { Conn } from '../store/database.ts'
import { listEventsOfMedia } from '../store/event-media.ts'
import { listEvents } from '../store/events.ts'
import type { EventRow } from '../store/events.ts'
import { findMedia, isMediaFetchedBy, isProfilePictureOfSomebody } from '../store/media.ts'
import type { MediaRow } from '../store/media.ts'
import { findRoom } from '../store/rooms.ts'
import { findServerNid, putServer } from '../store/servers.ts'
import type { RoomsDeps } from './deps.ts'
import { formOf } from './event-form.ts'
import { isOpenPicture } from './open-picture.ts'
import { ServerStanding, UserStanding } from './standing.ts'

type Deps = Pick<RoomsDeps, 'database' | 'roomCache' | 'erased' | 'serverName'>

/** A file by its mxc address. */
export interface MediaAddress {
  readonly origin: string
  readonly mediaId: string
}

/**
 * May a local user read this file (P17)? Its uploader may; everybody may who can read an event that shows it, and anybody
 * with an account where no event shows it (encrypted rooms) or somebody has it as their picture. A withdrawn file (T0 of
 * its uploader) only those may read who still read such an event, or, where no event shows it and the mode is `forget`,
 * who had fetched it before. A released one (the last event that showed it was redacted) nobody may. Throws `M_NOT_FOUND`.
 */
export async function assertUserMayReadMedia(
  deps: Deps,
  user: { readonly userNid: number; readonly userId: UserId },
  address: MediaAddress,
): Promise<void> {
  const may = await deps.database.read(async (conn) => {
    await deps.erased.refresh(conn)
    const { row, shown, isReleased } = await factsOf(conn, address)
    if (isReleased) return false
    const withdrawn = isWithdrawn(deps, row)
    if (!withdrawn && (shown.length === 0 || row?.uploader_nid === user.userNid)) return true
    const isRemote = address.origin !== deps.serverName
    for (const event of await listEvents(conn, shown))
      if (await userReads(deps, conn, user, event, isRemote)) return true
    if (!withdrawn) return isPicture(conn, address)
    if (row === undefined || shown.length > 0 || modeOf(deps, row) !== 'forget') return false
    return isMediaFetchedBy(conn, row.media_nid, user.userNid)
  })
  if (!may) throw unknownMedia()
}

/**
 * May another server fetch this file of ours? As for users; nothing that was withdrawn, and of an erased uploader only
 * what describes a room. Throws `M_NOT_FOUND`. Returns the server's row id.
 */
export async function assertServerMayReadMedia(deps: Deps, server: ServerName, mediaId: string): Promise<number> {
  const may = await deps.database.read(async (conn) => {
    await deps.erased.refresh(conn)
    const address = { origin: deps.serverName, mediaId }
    const { row, shown, isReleased } = await factsOf(conn, address)
    if (row === undefined || row.withdrawn_ts !== null || isReleased) return false
    if (!isWithdrawn(deps, row) && shown.length === 0) return true
    for (const event of await listEvents(conn, shown)) if (await serverReads(deps, conn, server, event)) return true
    return !isWithdrawn(deps, row) && isPicture(conn, address)
  })
  if (!may) throw unknownMedia()
  return deps.database.write((tx) => putServer(tx, server))
}

/**
 * May anybody read this file of ours without an account? Only where the operator left that open; what was withdrawn or
 * released is gone for them too. Throws `M_NOT_FOUND`.
 */
export async function assertAnybodyMayReadMedia(deps: Deps, mediaId: string): Promise<void> {
  const may = await deps.database.read(async (conn) => {
    await deps.erased.refresh(conn)
    const { row, isReleased } = await factsOf(conn, { origin: deps.serverName, mediaId })
    return row !== undefined && !isReleased && !isWithdrawn(deps, row)
  })
  if (!may) throw unknownMedia()
}

/** What is known of a file: its row, the events that show it, and whether one that was released is shown nowhere again. */
async function factsOf(conn: Conn, address: MediaAddress) {
  const row = await findMedia(conn, address.origin, address.mediaId)
  const shown = await listEventsOfMedia(conn, address.origin, address.mediaId)
  const mayBeReleased = row !== undefined && row.released_ts !== null && shown.length === 0
  return { row, shown, isReleased: mayBeReleased && !(await isPicture(conn, address)) }
}

function isPicture(conn: Conn, { origin, mediaId }: MediaAddress): Promise<boolean> {
  return isProfilePictureOfSomebody(conn, `mxc://${origin}/${mediaId}`)
}

const unknownMedia = () => new MatrixError('M_NOT_FOUND', 'unknown media')

function isWithdrawn(deps: Deps, row: MediaRow | undefined): boolean {
  if (row === undefined) return false
  return row.withdrawn_ts !== null || (row.uploader_nid !== null && deps.erased.of(row.uploader_nid) !== undefined)
}

function modeOf(deps: Deps, row: MediaRow): 'redact' | 'forget' {
  return (row.uploader_nid === null ? undefined : deps.erased.of(row.uploader_nid)?.mode) ?? 'redact'
}

async function userReads(
  deps: Deps,
  conn: Conn,
  user: { readonly userNid: number; readonly userId: UserId },
  event: EventRow,
  isRemote: boolean,
): Promise<boolean> {
  const room = await roomOf(deps, conn, event)
  if (room === undefined || event.redacted_by !== null) return false
  const standing = await UserStanding.of(deps, conn, room, { kind: 'user', ...user })
  const sees = standing.row?.forgotten !== true && (await standing.maySee(event))
  if (!sees && !(await isOpenPicture(deps, conn, room, event, { userNid: user.userNid, isRemote }))) return false
  return !(await formOf(deps, conn, room, event, () => standing.isHolder(event))).isPruned
}

async function serverReads(deps: Deps, conn: Conn, server: ServerName, event: EventRow): Promise<boolean> {
  const room = await roomOf(deps, conn, event)
  const serverNid = await findServerNid(conn, server)
  if (room === undefined || serverNid === undefined || event.redacted_by !== null) return false
  const standing = await ServerStanding.of(deps, conn, room, { kind: 'server', server, serverNid })
  if (!(await standing.maySee(event)) && !(await isOpenPicture(deps, conn, room, event, { serverNid }))) return false
  return !(await formOf(deps, conn, room, event, () => Promise.resolve(false))).isPruned
}

async function roomOf(deps: Deps, conn: Conn, event: EventRow) {
  const row = await findRoom(conn, event.room_nid)
  return row === undefined ? undefined : deps.roomCache.find(conn, row.room_id as RoomId)
}
