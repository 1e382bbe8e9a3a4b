import { MatrixError } from '../protocol/errors.ts'
import {
  countPendingUploads,
  deleteExpiredUploads,
  findMedia,
  finishReservedMedia,
  insertMedia,
} from '../store/media.ts'
import { findAccount } from '../store/accounts.ts'
import { user as userLock } from '../store/locks.ts'
import type { Tx } from '../store/database.ts'
import { cleanFileName, storedContentType } from './content-type.ts'
import type { MediaDeps } from './deps.ts'
import { storeFile } from './store-file.ts'

/** Reserved addresses are kept this long (the specification's recommendation). */
export const reservationMs = 24 * 3_600_000
const maxPending = 50

type UploadDeps = Pick<MediaDeps, 'database' | 'clock' | 'random' | 'serverName' | 'blobFiles'>

/** What comes with the bytes of an upload. */
export interface Upload {
  readonly userNid: number
  readonly chunks: AsyncIterable<Uint8Array>
  readonly contentType: string | undefined
  readonly fileName: string | undefined
}

/** Stores an upload under a new address: `POST /media/v3/upload`. Returns the mxc URI. Throws `M_TOO_LARGE`. */
export async function upload(deps: UploadDeps, { userNid, chunks, contentType, fileName }: Upload): Promise<string> {
  const mediaId = deps.random.token(18)
  await storeFile(
    deps,
    chunks,
    async (tx, { sha256, size, head }) => {
      await assertMayUpload(tx, userNid)
      await insertMedia(tx, {
        origin: deps.serverName,
        mediaId,
        uploaderNid: userNid,
        sha256,
        size,
        contentType: storedContentType(contentType, head),
        fileName: cleanFileName(fileName),
        ts: deps.clock.now(),
      })
    },
    { locks: [userLock(userNid)] },
  )
  return `mxc://${deps.serverName}/${mediaId}`
}

/** Reserves an address: `POST /media/v1/create`. Throws `M_LIMIT_EXCEEDED` where too many are reserved and unused. */
export async function reserveMedia(
  deps: Pick<UploadDeps, 'database' | 'clock' | 'random' | 'serverName'>,
  userNid: number,
): Promise<{ uri: string; expiresTs: number }> {
  const mediaId = deps.random.token(18)
  const ts = deps.clock.now()
  await deps.database.write(
    async (tx) => {
      await assertMayUpload(tx, userNid)
      if ((await countPendingUploads(tx, userNid, ts - reservationMs)) >= maxPending)
        throw new MatrixError('M_LIMIT_EXCEEDED', 'too many uploads are reserved and not finished', {
          retry_after_ms: 60_000,
        })
      await insertMedia(tx, {
        origin: deps.serverName,
        mediaId,
        uploaderNid: userNid,
        sha256: null,
        size: 0,
        contentType: null,
        fileName: null,
        ts,
      })
    },
    { locks: [userLock(userNid)] },
  )
  return { uri: `mxc://${deps.serverName}/${mediaId}`, expiresTs: ts + reservationMs }
}

/**
 * Fills a reserved address: `PUT /media/v3/upload/{serverName}/{mediaId}`. Throws `M_NOT_FOUND`, `M_FORBIDDEN`,
 * `M_CANNOT_OVERWRITE_MEDIA`, `M_TOO_LARGE`.
 */
export async function uploadReserved(
  deps: UploadDeps,
  address: { readonly origin: string; readonly mediaId: string },
  { userNid, chunks, contentType, fileName }: Upload,
): Promise<void> {
  const row =
    address.origin === deps.serverName
      ? await deps.database.read((conn) => findMedia(conn, address.origin, address.mediaId))
      : undefined
  if (
    row === undefined ||
    row.withdrawn_ts !== null ||
    (row.sha256 === null && row.created_ts < deps.clock.now() - reservationMs)
  )
    throw new MatrixError('M_NOT_FOUND', 'unknown media ID')
  if (row.uploader_nid !== userNid) throw new MatrixError('M_FORBIDDEN', 'somebody else reserved this address')
  if (row.sha256 !== null) throw overwrite()
  await storeFile(
    deps,
    chunks,
    async (tx, { sha256, size, head }) => {
      await assertMayUpload(tx, userNid)
      const isFirst = await finishReservedMedia(tx, row.media_nid, {
        sha256,
        size,
        contentType: storedContentType(contentType, head),
        fileName: cleanFileName(fileName),
        ts: deps.clock.now(),
      })
      if (!isFirst) throw overwrite()
    },
    { locks: [userLock(userNid)] },
  )
}

/** Drops addresses that nobody filled in time. */
export async function sweepReservations(deps: Pick<UploadDeps, 'database' | 'clock'>): Promise<void> {
  const before = deps.clock.now() - reservationMs
  await deps.database.write((tx) => deleteExpiredUploads(tx, before))
}

// An upload that was on its way at T0 must not leave a file of the erased person.
async function assertMayUpload(tx: Tx, userNid: number): Promise<void> {
  const account = await findAccount(tx, userNid)
  if (account === undefined || account.deactivated_ts !== null)
    throw new MatrixError('M_USER_DEACTIVATED', 'the account is deactivated')
}

const overwrite = () => new MatrixError('M_CANNOT_OVERWRITE_MEDIA', 'media already uploaded')
