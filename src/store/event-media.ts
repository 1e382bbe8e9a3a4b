import { sqlQuery, sqlReturning } from './query.ts'
import { event_media } from '../../schema/tables/events.ts'
import type { Conn, Tx } from './database.ts'
import { insertMany } from './insert-many.ts'

const insertRows = insertMany('insertEventMedia', event_media, ['event_nid', 'origin', 'media_id'], {
  onConflict: 'nothing',
})
const remove = sqlReturning<{ eventNid: number }, { origin: string; media_id: string }>(
  'deleteEventMedia',
  'delete from event_media where event_nid = :eventNid returning origin, media_id',
)
const still = sqlQuery<{ origin: string; mediaId: string }, { event_nid: number }>(
  'findEventOfMedia',
  'select event_nid from event_media where origin = :origin and media_id = :mediaId limit 1',
)

/** Notes which files an event shows. */
export async function insertEventMedia(
  tx: Tx,
  eventNid: number,
  media: readonly { readonly origin: string; readonly mediaId: string }[],
): Promise<void> {
  await insertRows(
    tx,
    media.map(({ origin, mediaId }) => ({ event_nid: eventNid, origin, media_id: mediaId })),
  )
}

/** An event shows nothing any more; gives those of its files that no other event shows. */
export async function deleteEventMedia(tx: Tx, eventNid: number): Promise<{ origin: string; mediaId: string }[]> {
  const released: { origin: string; mediaId: string }[] = []
  for (const { origin, media_id: mediaId } of await remove(tx, { eventNid }))
    if ((await still.first(tx, { origin, mediaId })) === undefined) released.push({ origin, mediaId })
  return released
}

const showing = sqlQuery<{ origin: string; mediaId: string }, { event_nid: number }>(
  'listEventsOfMedia',
  'select event_nid from event_media where origin = :origin and media_id = :mediaId order by event_nid desc limit 1000',
)

/** The newest 1,000 events that show a file. */
export async function listEventsOfMedia(conn: Conn, origin: string, mediaId: string): Promise<number[]> {
  return (await showing(conn, { origin, mediaId })).map(({ event_nid }) => event_nid)
}
