import type { Conn, Tx } from './database.ts'
import { sqlQuery, sqlRun } from './query.ts'

// the picture that a room has now describes the room: it stays, like the event that names it
const roomPicture = `exists (select 1 from event_media m
    join current_state c on c.event_nid = m.event_nid join state_keys k on k.state_key_nid = c.state_key_nid
   where m.origin = media.origin and m.media_id = media.media_id and k.type = 'm.room.avatar')`
const withdraw = sqlRun<{ userNid: number; ts: number }>(
  'withdrawMediaOfUser',
  `update media set withdrawn_ts = :ts where uploader_nid = :userNid and withdrawn_ts is null and not ${roomPicture}`,
)
const withdrawShown = sqlRun<{ eventNid: number; ts: number }>(
  'withdrawMediaOfEvent',
  `update media set withdrawn_ts = :ts
   where (origin, media_id) in (select origin, media_id from event_media where event_nid = :eventNid)
     and withdrawn_ts is null and not ${roomPicture}
     and (uploader_nid is null or uploader_nid in (select user_nid from users where erased_ts is not null))`,
)
const leftBehind = sqlQuery<{ most: number }, { media_nid: number }>(
  'listMediaLeftBehind',
  `select media_nid from media where withdrawn_ts is not null and not ${roomPicture}
     and (uploader_nid is null or uploader_nid in (
       select user_nid from erasures where mode = 'redact' and settled_ts is not null and state <> 'CANCELLED'))
   order by media_nid limit :most`,
)
const restore = sqlRun<{ userNid: number; ts: number }>(
  'restoreMediaOfUser',
  'update media set withdrawn_ts = null where uploader_nid = :userNid and withdrawn_ts = :ts',
)
const census = sqlRun<{ nid: number; userNid: number }>(
  'insertErasureMedia',
  `insert into erasure_media (erasure_nid, media_nid, state)
   select cast(:nid as bigint), media_nid, 'pending' from media where uploader_nid = :userNid on conflict do nothing`,
)
const doomed = sqlQuery<{ userNid: number; most: number }, { media_nid: number }>(
  'listMediaToErase',
  `select media_nid from media where uploader_nid = :userNid and withdrawn_ts is not null and not ${roomPicture}
   order by media_nid limit :most`,
)
// what is held: carried by an event that is still stored whole, or by none at all and fetched by somebody active
const held = sqlQuery<{ userNid: number; after: number; most: number }, { media_nid: number; held: number }>(
  'listMediaWithHolders',
  `select media_nid, case when exists (select 1 from event_media m join events e on e.event_nid = m.event_nid
        where m.origin = media.origin and m.media_id = media.media_id and e.pruned_ts is null)
      or (not exists (select 1 from event_media m where m.origin = media.origin and m.media_id = media.media_id)
        and exists (select 1 from media_fetches f join accounts a on a.user_nid = f.user_nid
          join users u on u.user_nid = f.user_nid
         where f.media_nid = media.media_nid and f.user_nid <> :userNid and a.deactivated_ts is null and u.erased_ts is null))
     then 1 else 0 end as held
   from media where uploader_nid = :userNid and withdrawn_ts is not null and media_nid > :after and not ${roomPicture}
   order by media_nid limit :most`,
)
// whose a copy is that no event shows cannot be told: all of that server go, and are fetched again where they still exist
const ofRemote = sqlQuery<{ userNid: number; most: number }, { media_nid: number }>(
  'listRemoteMediaOfUser',
  `select x.media_nid from media x join servers s on s.name = x.origin join users u on u.server_nid = s.server_nid
    where u.user_nid = :userNid and not exists (select 1 from event_media m join events e on e.event_nid = m.event_nid
       where m.origin = x.origin and m.media_id = x.media_id and e.pruned_ts is null)
   order by x.media_nid limit :most`,
)
const mark = sqlRun<{ nid: number; mediaNids: readonly number[]; state: string }>(
  'putErasureMediaState',
  ({ list }) =>
    `update erasure_media set state = :state where erasure_nid = :nid and media_nid in ${list('mediaNids', 'int')}`,
)
const links = sqlRun<{ mediaNids: readonly number[] }>(
  'deleteLinksOfMedia',
  ({ list }) => `delete from event_media where exists (select 1 from media x
     where x.media_nid in ${list('mediaNids', 'int')} and x.origin = event_media.origin and x.media_id = event_media.media_id)`,
)
const left = sqlQuery<{ userNid: number }, { n: number | string }>(
  'countMediaOfUser',
  'select count(*) as n from media where uploader_nid = :userNid',
)

/** From T0 a user's files are gone for everybody but their holders. */
export async function withdrawMediaOfUser(tx: Tx, userNid: number, ts: number): Promise<void> {
  await withdraw(tx, { userNid, ts })
}

/**
 * The picture of a room that an erased person had set is not the room's any more: what they uploaded is gone like their
 * other files, and so is a copy of a file of another server.
 */
export async function withdrawMediaOfEvent(tx: Tx, eventNid: number, ts: number): Promise<void> {
  await withdrawShown(tx, { eventNid, ts })
}

/** Files that were withdrawn and that no job deletes any more: of erasures that are settled, and of other servers. */
export async function listMediaLeftBehind(conn: Conn, most: number): Promise<number[]> {
  return (await leftBehind(conn, { most })).map(({ media_nid: nid }) => nid)
}

/** Gives back what an erasure that was cancelled had withdrawn at T0. */
export async function restoreMediaOfUser(tx: Tx, userNid: number, ts: number): Promise<void> {
  await restore(tx, { userNid, ts })
}

/** Notes the files that the user uploaded. */
export async function insertErasureMedia(tx: Tx, nid: number, userNid: number): Promise<void> {
  await census(tx, { nid, userNid })
}

/** Files of the user to delete, whoever holds them. */
export async function listMediaToErase(conn: Conn, userNid: number, most: number): Promise<number[]> {
  return (await doomed(conn, { userNid, most })).map(({ media_nid: nid }) => nid)
}

/** The next files of the user, and whether somebody holds them (ERASURE.md, P2 and P17). */
export async function listMediaWithHolders(
  conn: Conn,
  userNid: number,
  after: number,
  most: number,
): Promise<{ mediaNid: number; isHeld: boolean }[]> {
  return (await held(conn, { userNid, after, most })).map((row) => ({
    mediaNid: row.media_nid,
    isHeld: row.held === 1,
  }))
}

/** Copies of files of the server of a user of another server that no stored event shows (any more). */
export async function listRemoteMediaOfUser(conn: Conn, userNid: number, most: number): Promise<number[]> {
  return (await ofRemote(conn, { userNid, most })).map(({ media_nid: nid }) => nid)
}

/** Notes what became of files. */
export async function putErasureMediaState(
  tx: Tx,
  nid: number,
  mediaNids: readonly number[],
  state: 'deleted' | 'kept',
): Promise<void> {
  if (mediaNids.length > 0) await mark(tx, { nid, mediaNids, state })
}

/** Forgets which events showed files that are about to be deleted. */
export async function deleteLinksOfMedia(tx: Tx, mediaNids: readonly number[]): Promise<void> {
  if (mediaNids.length > 0) await links(tx, { mediaNids })
}

/** How many files of the user are left. */
export async function countMediaOfUser(conn: Conn, userNid: number): Promise<number> {
  return Number((await left.first(conn, { userNid }))?.n ?? 0)
}

const linked = sqlQuery<{ userNid: number }, { n: number | string }>(
  'countMediaLinksOfUser',
  'select count(*) as n from event_media m join events e on e.event_nid = m.event_nid where e.sender_nid = :userNid',
)

/** How many links there are from events of the user to files. */
export async function countMediaLinksOfUser(conn: Conn, userNid: number): Promise<number> {
  return Number((await linked.first(conn, { userNid }))?.n ?? 0)
}
