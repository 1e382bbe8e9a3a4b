import { and, eq, isNull, lt, sql } from 'drizzle-orm'
import { media, media_blobs, media_fetches, thumbnails } from '../../schema/tables/media.ts'
import type { Conn, Tx } from './database.ts'
import { query, sqlQuery, sqlRun } from './query.ts'

const findById = query<{ origin: string; mediaId: string }>('findMedia')(({ db, t, p }) =>
  db
    .select()
    .from(t(media))
    .where(and(eq(t(media).origin, p.origin), eq(t(media).media_id, p.mediaId))),
)
const insert = query<{
  origin: string
  mediaId: string
  uploaderNid: number | null
  sha256: string | null
  size: number
  contentType: string | null
  fileName: string | null
  ts: number
}>('insertMedia')(({ db, t, p }) =>
  db
    .insert(t(media))
    .values({
      origin: p.origin,
      media_id: p.mediaId,
      uploader_nid: p.uploaderNid,
      sha256: p.sha256,
      size: p.size,
      content_type: p.contentType,
      file_name: p.fileName,
      created_ts: p.ts,
      last_access_ts: p.ts,
      withdrawn_ts: null,
      released_ts: null,
      quarantined: false,
    })
    .onConflictDoNothing()
    .returning({ nid: t(media).media_nid }),
)
const finish = query<{
  mediaNid: number
  sha256: string
  size: number
  contentType: string | null
  fileName: string | null
  ts: number
}>('finishMedia')(({ db, t, p }) =>
  db
    .update(t(media))
    .set({ sha256: p.sha256, size: p.size, content_type: p.contentType, file_name: p.fileName, last_access_ts: p.ts })
    .where(and(eq(t(media).media_nid, p.mediaNid), isNull(t(media).sha256), isNull(t(media).withdrawn_ts))),
)
const touch = query<{ mediaNid: number; ts: number; before: number }>('touchMedia')(({ db, t, p }) =>
  db
    .update(t(media))
    .set({ last_access_ts: p.ts })
    .where(and(eq(t(media).media_nid, p.mediaNid), lt(t(media).last_access_ts, p.before))),
)
const putBlob = query<{ sha256: string; size: number; ts: number }>('putMediaBlob')(({ db, t, p }) =>
  db.insert(t(media_blobs)).values({ sha256: p.sha256, size: p.size, created_ts: p.ts }).onConflictDoNothing(),
)
const putFetch = query<{ mediaNid: number; userNid: number; serverNid: number; ts: number }>('putMediaFetch')(
  ({ db, t, p }) =>
    db
      .insert(t(media_fetches))
      .values({ media_nid: p.mediaNid, user_nid: p.userNid, server_nid: p.serverNid, first_ts: p.ts })
      .onConflictDoNothing(),
)
const findFetch = query<{ mediaNid: number; userNid: number }>('findMediaFetch')(({ db, t, p }) =>
  db
    .select({ ts: t(media_fetches).first_ts })
    .from(t(media_fetches))
    .where(and(eq(t(media_fetches).media_nid, p.mediaNid), eq(t(media_fetches).user_nid, p.userNid))),
)
const findThumbnail = query<{ sha256: string; width: number; height: number; method: string; animated: boolean }>(
  'findThumbnail',
)(({ db, t, p }) =>
  db
    .select()
    .from(t(thumbnails))
    .where(
      and(
        eq(t(thumbnails).sha256, p.sha256),
        eq(t(thumbnails).width, p.width),
        eq(t(thumbnails).height, p.height),
        eq(t(thumbnails).method, p.method),
        eq(t(thumbnails).animated, p.animated),
      ),
    ),
)
const putThumbnail = query<{
  sha256: string
  width: number
  height: number
  method: string
  animated: boolean
  contentType: string
  size: number
}>('putThumbnail')(({ db, t, p }) =>
  db
    .insert(t(thumbnails))
    .values({
      sha256: p.sha256,
      width: p.width,
      height: p.height,
      method: p.method,
      animated: p.animated,
      content_type: p.contentType,
      size: p.size,
    })
    .onConflictDoNothing(),
)
const deleteThumbs = query<{ sha256: string }>('deleteThumbnails')(({ db, t, p }) =>
  db.delete(t(thumbnails)).where(eq(t(thumbnails).sha256, p.sha256)),
)
const deleteRow = query<{ mediaNid: number }>('deleteMedia')(({ db, t, p }) =>
  db.delete(t(media)).where(eq(t(media).media_nid, p.mediaNid)),
)
const deleteFetches = query<{ mediaNid: number }>('deleteMediaFetches')(({ db, t, p }) =>
  db.delete(t(media_fetches)).where(eq(t(media_fetches).media_nid, p.mediaNid)),
)
const countBlobUses = query<{ sha256: string }>('countBlobUses')(({ db, t, p }) =>
  db
    .select({ uses: sql<number>`count(*)` })
    .from(t(media))
    .where(eq(t(media).sha256, p.sha256)),
)
const deleteBlobRow = query<{ sha256: string }>('deleteMediaBlob')(({ db, t, p }) =>
  db.delete(t(media_blobs)).where(eq(t(media_blobs).sha256, p.sha256)),
)
const pendingOf = query<{ userNid: number; since: number }>('countPendingUploads')(({ db, t, p }) =>
  db
    .select({ pending: sql<number>`count(*)` })
    .from(t(media))
    .where(
      and(eq(t(media).uploader_nid, p.userNid), isNull(t(media).sha256), sql`${t(media).created_ts} > ${p.since}`),
    ),
)
const isProfilePicture = sqlQuery<{ value: string }, { found: number }>(
  'isProfilePicture',
  `select 1 as found from profiles where field = 'avatar_url' and value = :value limit 1`,
)
const staleRemote = sqlQuery<{ origin: string; before: number; most: number }, { media_nid: number }>(
  'listStaleRemoteMedia',
  'select media_nid from media where origin <> :origin and last_access_ts < :before order by media_nid limit :most',
)
const remoteBytes = sqlQuery<{ origin: string }, { bytes: number | string }>(
  'countRemoteMediaBytes',
  'select coalesce(sum(size), 0) as bytes from media where origin <> :origin',
)
const leastUsedRemote = sqlQuery<{ origin: string; most: number }, { media_nid: number; size: number }>(
  'listLeastUsedRemoteMedia',
  'select media_nid, size from media where origin <> :origin order by last_access_ts, media_nid limit :most',
)
const unusedBlobs = sqlQuery<{ most: number }, { sha256: string }>(
  'listUnusedBlobs',
  `select sha256 from media_blobs where not exists (select 1 from media where media.sha256 = media_blobs.sha256)
   order by sha256 limit :most`,
)
const expiredUploads = sqlRun<{ before: number }>(
  'deleteExpiredUploads',
  'delete from media where sha256 is null and uploader_nid is not null and created_ts < :before',
)

/** A row of `media`. */
export type MediaRow = NonNullable<Awaited<ReturnType<typeof findById.first>>>
/** A row of `thumbnails`. */
export type ThumbnailRow = NonNullable<Awaited<ReturnType<typeof findThumbnail.first>>>

/** A file by its mxc address. */
export function findMedia(conn: Conn, origin: string, mediaId: string): Promise<MediaRow | undefined> {
  return findById.first(conn, { origin, mediaId })
}

/** What is known of a file when its row is made; without `sha256` the bytes are still to come. */
export interface NewMedia {
  readonly origin: string
  readonly mediaId: string
  readonly uploaderNid: number | null
  readonly sha256: string | null
  readonly size: number
  readonly contentType: string | null
  readonly fileName: string | null
  readonly ts: number
}

/** Makes the row of a file, and that of its blob; undefined where the address is taken. */
export async function insertMedia(tx: Tx, made: NewMedia): Promise<number | undefined> {
  if (made.sha256 !== null) await putBlob(tx, { sha256: made.sha256, size: made.size, ts: made.ts })
  return (await insert.first(tx, { ...made }))?.nid
}

/** Gives a reserved address its bytes; false where it has some, or was withdrawn. */
export async function finishReservedMedia(
  tx: Tx,
  mediaNid: number,
  file: { sha256: string; size: number; contentType: string | null; fileName: string | null; ts: number },
): Promise<boolean> {
  await putBlob(tx, { sha256: file.sha256, size: file.size, ts: file.ts })
  return (await finish(tx, { mediaNid, ...file })) === 1
}

/** Notes an access, at most once in `everyMs`. */
export async function putMediaAccess(tx: Tx, mediaNid: number, ts: number, everyMs: number): Promise<void> {
  await touch(tx, { mediaNid, ts, before: ts - everyMs })
}

/** Notes who fetched a file: a local user (`serverNid` 0) or a server (`userNid` 0). */
export async function putMediaFetch(
  tx: Tx,
  fetch: { mediaNid: number; userNid: number; serverNid: number; ts: number },
): Promise<void> {
  await putFetch(tx, fetch)
}

/** Whether a local user has fetched a file. */
export async function isMediaFetchedBy(conn: Conn, mediaNid: number, userNid: number): Promise<boolean> {
  return (await findFetch.first(conn, { mediaNid, userNid })) !== undefined
}

/** A thumbnail that was made before. */
export function findMediaThumbnail(
  conn: Conn,
  key: { sha256: string; width: number; height: number; method: string; animated: boolean },
): Promise<ThumbnailRow | undefined> {
  return findThumbnail.first(conn, key)
}

/** Keeps what is known of a thumbnail file. */
export async function putMediaThumbnail(tx: Tx, row: ThumbnailRow): Promise<void> {
  await putThumbnail(tx, {
    sha256: row.sha256,
    width: row.width,
    height: row.height,
    method: row.method,
    animated: row.animated,
    contentType: row.content_type,
    size: row.size,
  })
}

/** How many addresses a user has reserved since `since` without uploading. */
export async function countPendingUploads(conn: Conn, userNid: number, since: number): Promise<number> {
  return (await pendingOf.first(conn, { userNid, since }))?.pending ?? 0
}

/** Whether a local user shows this file as their picture. */
export async function isProfilePictureOfSomebody(conn: Conn, mxc: string): Promise<boolean> {
  return (await isProfilePicture.first(conn, { value: JSON.stringify(mxc) })) !== undefined
}

/** Remote files that nobody asked for since `before`, at most `most`. */
export async function listStaleRemoteMedia(
  conn: Conn,
  ownServer: string,
  before: number,
  most: number,
): Promise<number[]> {
  return (await staleRemote(conn, { origin: ownServer, before, most })).map((row) => row.media_nid)
}

/** How many bytes the copies of remote files have. */
export async function countRemoteMediaBytes(conn: Conn, ownServer: string): Promise<number> {
  return Number((await remoteBytes.first(conn, { origin: ownServer }))?.bytes ?? 0)
}

/** The copies of remote files that nobody asked for for the longest time, at most `most`. */
export async function listLeastUsedRemoteMedia(
  conn: Conn,
  ownServer: string,
  most: number,
): Promise<{ mediaNid: number; size: number }[]> {
  const rows = await leastUsedRemote(conn, { origin: ownServer, most })
  return rows.map(({ media_nid, size }) => ({ mediaNid: media_nid, size }))
}

/** Blobs that no file names, at most `most`. */
export async function listUnusedBlobs(conn: Conn, most: number): Promise<string[]> {
  return (await unusedBlobs(conn, { most })).map(({ sha256 }) => sha256)
}

/** Drops addresses that were reserved before `before` and never used. */
export function deleteExpiredUploads(tx: Tx, before: number): Promise<number> {
  return expiredUploads(tx, { before })
}

const findByNid = query<{ mediaNid: number }>('findMediaByNid')(({ db, t, p }) =>
  db
    .select()
    .from(t(media))
    .where(eq(t(media).media_nid, p.mediaNid)),
)

/** Deletes a file's row, and who fetched it. Returns the blob that nothing names any more, for `deleteBlobFiles`. */
export async function deleteMedia(tx: Tx, mediaNid: number): Promise<string | undefined> {
  const row = await findByNid.first(tx, { mediaNid })
  if (row === undefined) return undefined
  await deleteFetches(tx, { mediaNid })
  await deleteRow(tx, { mediaNid })
  return row.sha256 !== null && !(await isBlobUsed(tx, row.sha256)) ? row.sha256 : undefined
}

/** Whether any file still has these bytes. */
export async function isBlobUsed(conn: Conn, sha256: string): Promise<boolean> {
  return ((await countBlobUses.first(conn, { sha256 }))?.uses ?? 0) > 0
}

const usedBlobs = query<{ hashes: readonly string[] }>('listUsedBlobs')(({ db, t, p, anyOf }) =>
  db
    .selectDistinct({ sha256: t(media).sha256 })
    .from(t(media))
    .where(anyOf(t(media).sha256, p.hashes)),
)

/** Which of these bytes any file still has. */
export async function listUsedBlobs(conn: Conn, hashes: readonly string[]): Promise<Set<string | null>> {
  return new Set((await usedBlobs(conn, { hashes })).map(({ sha256 }) => sha256))
}

/** Forgets a blob and its thumbnails, after their files are gone. */
export async function deleteBlobRows(tx: Tx, sha256: string): Promise<void> {
  await deleteThumbs(tx, { sha256 })
  await deleteBlobRow(tx, { sha256 })
}
