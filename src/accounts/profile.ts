import { MatrixError } from '../protocol/errors.ts'
import { serverNameOf } from '../protocol/ids.ts'
import type { UserId } from '../protocol/ids.ts'
import type { Json, JsonObject } from '../protocol/json-types.ts'
import { utf8Length } from '../protocol/text.ts'
import { findAccountByUserId } from '../store/accounts.ts'
import type { Conn, Tx } from '../store/database.ts'
import { deleteProfileField, listProfile, putProfileField } from '../store/profiles.ts'
import { assertSelf, writeAsUser } from './active.ts'
import type { AccountsDeps } from './deps.ts'
import { checkProfileKey, checkProfileValue, maxProfileBytes } from './profile-fields.ts'
import { remoteProfile } from './remote-profile.ts'
import type { Requester } from './requester.ts'

type Deps = Pick<AccountsDeps, 'database' | 'serverName' | 'federation'>

/** The display name and avatar that go into member events; undefined where they are not set. */
export interface MemberProfile {
  readonly displayname: string | undefined
  readonly avatarUrl: string | undefined
}

/**
 * A user's whole profile, of a remote user by asking their server. Throws `M_NOT_FOUND` for unknown, deactivated and
 * erased users; `M_FORBIDDEN` where nobody is logged in and the user is a remote one; what the other server says.
 */
export async function getProfile(deps: Deps, requester: Requester | undefined, userId: UserId): Promise<JsonObject> {
  if (serverNameOf(userId) === deps.serverName) return profileForFederation(deps, userId)
  if (requester === undefined) throw new MatrixError('M_FORBIDDEN', 'Log in to see profiles of other servers')
  return remoteProfile(deps, userId)
}

/** One field, as an object of that one member. Throws as `getProfile`, and `M_NOT_FOUND` where it is not set. */
export async function getProfileField(
  deps: Deps,
  requester: Requester | undefined,
  userId: UserId,
  key: string,
): Promise<JsonObject> {
  assertKey(key)
  if (serverNameOf(userId) === deps.serverName) return profileForFederation(deps, userId, key)
  if (requester === undefined) throw new MatrixError('M_FORBIDDEN', 'Log in to see profiles of other servers')
  return onlyField(await remoteProfile(deps, userId, key), key)
}

/**
 * What other servers may know of a local user (server-server API, `/query/profile`): everything, or one field. Throws
 * `M_NOT_FOUND`: for unknown, deactivated and erased users alike.
 */
export async function profileForFederation(
  deps: Pick<Deps, 'database'>,
  userId: UserId,
  key?: string,
): Promise<JsonObject> {
  const profile = await deps.database.read(async (conn) => {
    const account = await findAccountByUserId(conn, userId)
    if (account === undefined || account.deactivated_ts !== null || account.erased_ts !== null) return undefined
    return readProfile(conn, account.user_nid)
  })
  if (profile === undefined) throw noProfile()
  return key === undefined ? profile : onlyField(profile, key)
}

/** What goes into a local user's member events. */
export async function memberProfile(conn: Conn, userNid: number): Promise<MemberProfile> {
  const { displayname, avatar_url: avatarUrl } = await readProfile(conn, userNid)
  return {
    displayname: typeof displayname === 'string' ? displayname : undefined,
    avatarUrl: typeof avatarUrl === 'string' ? avatarUrl : undefined,
  }
}

/**
 * Sets a field of one's own profile; an empty display name or avatar removes it. True when something changed that member
 * events show. Throws `M_FORBIDDEN`, `M_INVALID_PARAM`, `M_KEY_TOO_LARGE`, `M_PROFILE_TOO_LARGE`, `M_BAD_JSON`.
 */
export async function setProfileField(
  deps: Deps,
  requester: Requester,
  userId: UserId,
  key: string,
  value: Json,
): Promise<boolean> {
  assertMayChange(requester, userId, key)
  const refusal = checkProfileValue(key, value)
  if (refusal !== undefined) throw refusal
  return writeAsUser(deps, requester.userNid, (tx) =>
    putField(tx, requester, key, value === '' && isShownInRooms(key) ? undefined : value),
  )
}

/** Removes a field of one's own profile. True when something changed that member events show. Throws `M_FORBIDDEN`. */
export async function removeProfileField(
  deps: Deps,
  requester: Requester,
  userId: UserId,
  key: string,
): Promise<boolean> {
  assertMayChange(requester, userId, key)
  return writeAsUser(deps, requester.userNid, (tx) => putField(tx, requester, key, undefined))
}

async function putField(tx: Tx, { userNid }: Requester, key: string, value: Json | undefined): Promise<boolean> {
  if (value === undefined) return (await deleteProfileField(tx, userNid, key)) && isShownInRooms(key)
  const text = JSON.stringify(value)
  const before = await readProfile(tx, userNid)
  if (Object.hasOwn(before, key) && JSON.stringify(before[key]) === text) return false
  if (utf8Length(JSON.stringify({ ...before, [key]: value })) >= maxProfileBytes)
    throw new MatrixError('M_PROFILE_TOO_LARGE', 'The profile would be larger than 64 KiB')
  await putProfileField(tx, userNid, key, text)
  return isShownInRooms(key)
}

function assertMayChange(requester: Requester, userId: UserId, key: string): void {
  assertSelf(requester, userId, 'profile')
  assertKey(key)
  if (requester.kind === 'guest' && key !== 'displayname')
    throw new MatrixError('M_GUEST_ACCESS_FORBIDDEN', 'Guests can only change their display name')
}

const isShownInRooms = (key: string) => key === 'displayname' || key === 'avatar_url'

function assertKey(key: string): void {
  const refusal = checkProfileKey(key)
  if (refusal !== undefined) throw refusal
}

async function readProfile(conn: Conn, userNid: number): Promise<JsonObject> {
  const fields = await listProfile(conn, userNid)
  return Object.fromEntries(fields.map(({ field, value }) => [field, JSON.parse(value) as Json]))
}

function onlyField(profile: JsonObject, key: string): JsonObject {
  const value = Object.hasOwn(profile, key) ? profile[key] : undefined
  if (value === undefined) throw noProfile()
  return { [key]: value }
}

function noProfile(): MatrixError {
  return new MatrixError('M_NOT_FOUND', 'Profile not found')
}
