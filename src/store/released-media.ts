import type { Conn, Tx } from './database.ts'
import { sqlQuery, sqlRun } from './query.ts'

const release = sqlRun<{ origin: string; mediaId: string; ts: number }>(
  'putMediaReleased',
  'update media set released_ts = :ts where origin = :origin and media_id = :mediaId',
)
const isShown = `exists (select 1 from event_media m where m.origin = media.origin and m.media_id = media.media_id)`
const isPicture = `exists (select 1 from profiles p where p.field = 'avatar_url'
     and p.value = '"mxc://' || media.origin || '/' || media.media_id || '"')`
const shownAgain = sqlRun<object>(
  'deleteReleaseOfShownMedia',
  `update media set released_ts = null where released_ts is not null and ${isShown}`,
)
const due = sqlQuery<{ before: number; most: number }, { media_nid: number }>(
  'listReleasedMedia',
  `select media_nid from media where released_ts is not null and released_ts <= :before
      and not ${isShown} and not ${isPicture}
    order by media_nid limit :most`,
)

const any = sqlQuery<object, { found: number }>(
  'isAnyMediaReleased',
  'select 1 as found from media where released_ts is not null limit 1',
)

/** Whether any file was released. */
export async function isAnyMediaReleased(conn: Conn): Promise<boolean> {
  return (await any.first(conn)) !== undefined
}

/** Notes that no stored event shows a file any more. */
export async function putMediaReleased(tx: Tx, origin: string, mediaId: string, ts: number): Promise<void> {
  await release(tx, { origin, mediaId, ts })
}

/** Takes the mark off files that events show again. Returns how many. */
export function deleteReleaseOfShownMedia(tx: Tx): Promise<number> {
  return shownAgain(tx)
}

/** Files that were released before `before`, and that neither an event nor a profile shows; at most `most`. */
export async function listReleasedMedia(conn: Conn, before: number, most: number): Promise<number[]> {
  return (await due(conn, { before, most })).map(({ media_nid: nid }) => nid)
}
