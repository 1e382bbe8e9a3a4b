import { memberProfile } from '../accounts/profile.ts'
import type { RoomId } from '../protocol/ids.ts'
import type { JsonObject } from '../protocol/json-types.ts'
import { listMembershipsOfUser } from '../store/memberships.ts'
import { findRoom } from '../store/rooms.ts'
import type { Actor } from './actor.ts'
import { appendLocal } from './append-local.ts'
import type { RoomsDeps } from './deps.ts'
import { writeInRoom } from './write-in-room.ts'

/** What belongs to one membership event and not to the next. */
const ofOneEvent = new Set([
  'reason',
  'is_direct',
  'third_party_invite',
  'join_authorised_via_users_server',
  'displayname',
  'avatar_url',
])

/**
 * Brings the member events of a user's rooms in line with their profile, room by room, and leaves out those that say it
 * already. Runs in the background after the profile's answer; a room that takes no event is logged and left out.
 */
export async function propagateProfile(deps: RoomsDeps, user: Pick<Actor, 'userId' | 'userNid'>): Promise<void> {
  const rows = await deps.database.read((conn) => listMembershipsOfUser(conn, user.userNid))
  for (const { room_nid: roomNid, membership } of rows) {
    if (membership !== 'join') continue
    try {
      await changeIn(deps, user, roomNid)
    } catch (error) {
      deps.log.info('a profile was not changed in a room', { roomNid, error })
    }
  }
}

/** How long the answer to a change of a profile waits for the user's rooms. */
const patienceMs = 500

/** Begins `propagateProfile`, and waits for it a moment: users of few rooms see the change at once. */
export async function followProfile(deps: RoomsDeps, user: Pick<Actor, 'userId' | 'userNid'>): Promise<void> {
  const waiting = new AbortController()
  const done = propagateProfile(deps, user)
    .catch((error: unknown) => deps.log.error('a profile was not brought to its rooms', { error }))
    .finally(() => waiting.abort())
  await Promise.race([done, deps.clock.sleep(patienceMs, waiting.signal).catch(() => undefined)])
}

async function changeIn(
  deps: RoomsDeps,
  { userId, userNid }: Pick<Actor, 'userId' | 'userNid'>,
  nid: number,
): Promise<void> {
  const row = await deps.database.read((conn) => findRoom(conn, nid))
  if (row === undefined) return
  await writeInRoom(deps, { nid, id: row.room_id as RoomId }, [userNid], async (tx, room) => {
    const event = await deps.roomCache.stateEvent(tx, room, 'm.room.member', userId)
    if (event?.content.membership !== 'join') return
    const { displayname, avatarUrl } = await memberProfile(tx, userNid)
    const { displayname: oldName, avatar_url: oldAvatar } = event.content
    if (oldName === displayname && oldAvatar === avatarUrl) return
    const kept = Object.entries(event.content).filter(([key]) => !ofOneEvent.has(key))
    const content: JsonObject = {
      ...Object.fromEntries(kept),
      ...(displayname === undefined ? {} : { displayname }),
      ...(avatarUrl === undefined ? {} : { avatar_url: avatarUrl }),
    }
    await appendLocal(tx, deps, room, { type: 'm.room.member', stateKey: userId, content, sender: userId })
  })
}
