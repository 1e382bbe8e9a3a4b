export type RoomVersionId = '1' | '2' | '3' | '4' | '5' | '6' | '7' | '8' | '9' | '10' | '11' | '12'

/**
 * A room version as data (specification, "Room Versions"). Rules read these flags; nothing outside `protocol/`
 * compares a version string.
 */
export interface RoomVersion {
  readonly id: RoomVersionId
  /** Who makes the event id: the origin (1, 2), or the reference hash in one of two alphabets. */
  readonly eventIdFormat: 'origin' | 'base64' | 'url-safe-base64'
  readonly stateResolution: 'v1' | 'v2' | 'v2.1'
  /** Integers only, within ±(2^53−1) (from 6). */
  readonly strictCanonicalJson: boolean
  /** A signing key counts only within its validity period (from 5). */
  readonly enforceKeyValidity: boolean
  /** `m.room.aliases` has an authorization rule and keeps `aliases` when redacted (1–5). */
  readonly aliasesAreSpecial: boolean
  /** `m.room.redaction` has an authorization rule (1, 2); from 3 it is checked on application instead. */
  readonly redactionAuthRule: boolean
  /** `notifications` of the power levels is checked as the other levels are (from 6). */
  readonly checksNotificationLevels: boolean
  /** `knock` (from 7). */
  readonly knocking: boolean
  /** Join rule `restricted` (from 8); `join_rules` keeps `allow` when redacted. */
  readonly restrictedJoins: boolean
  /** A redacted member event keeps `join_authorised_via_users_server` (from 9). */
  readonly redactionKeepsAuthoriser: boolean
  /** Join rule `knock_restricted` (from 10). */
  readonly knockRestrictedJoins: boolean
  /** Power levels are integers, not strings or floats (from 10). */
  readonly integerPowerLevels: boolean
  /** The redaction algorithm of version 11: whole `create`, `invite` level, `redacts` in content, part of `third_party_invite`; no `origin`, `membership`, `prev_state`. */
  readonly redactionV11: boolean
  /** `redacts` lives in `content` (from 11). */
  readonly redactsInContent: boolean
  /** The creator is the sender of the create event, `content.creator` is gone (from 11). */
  readonly creatorIsSender: boolean
  /** Creators have infinite power and `additional_creators` exists (from 12). */
  readonly privilegedCreators: boolean
  /** The room id is the create event's hash; `auth_events` do not name the create event (from 12). */
  readonly roomIdIsCreateHash: boolean
}

const v1: RoomVersion = {
  id: '1',
  eventIdFormat: 'origin',
  stateResolution: 'v1',
  strictCanonicalJson: false,
  enforceKeyValidity: false,
  aliasesAreSpecial: true,
  redactionAuthRule: true,
  checksNotificationLevels: false,
  knocking: false,
  restrictedJoins: false,
  redactionKeepsAuthoriser: false,
  knockRestrictedJoins: false,
  integerPowerLevels: false,
  redactionV11: false,
  redactsInContent: false,
  creatorIsSender: false,
  privilegedCreators: false,
  roomIdIsCreateHash: false,
}
const v2: RoomVersion = { ...v1, id: '2', stateResolution: 'v2' }
const v3: RoomVersion = { ...v2, id: '3', eventIdFormat: 'base64', redactionAuthRule: false }
const v4: RoomVersion = { ...v3, id: '4', eventIdFormat: 'url-safe-base64' }
const v5: RoomVersion = { ...v4, id: '5', enforceKeyValidity: true }
const v6: RoomVersion = {
  ...v5,
  id: '6',
  strictCanonicalJson: true,
  aliasesAreSpecial: false,
  checksNotificationLevels: true,
}
const v7: RoomVersion = { ...v6, id: '7', knocking: true }
const v8: RoomVersion = { ...v7, id: '8', restrictedJoins: true }
const v9: RoomVersion = { ...v8, id: '9', redactionKeepsAuthoriser: true }
const v10: RoomVersion = { ...v9, id: '10', knockRestrictedJoins: true, integerPowerLevels: true }
const v11: RoomVersion = { ...v10, id: '11', redactionV11: true, redactsInContent: true, creatorIsSender: true }
const v12: RoomVersion = {
  ...v11,
  id: '12',
  stateResolution: 'v2.1',
  privilegedCreators: true,
  roomIdIsCreateHash: true,
}

/** All room versions of the specification, by id. */
export const roomVersions: ReadonlyMap<string, RoomVersion> = new Map(
  [v1, v2, v3, v4, v5, v6, v7, v8, v9, v10, v11, v12].map((version) => [version.id, version]),
)

/** The room version with this id, or undefined where the specification has none. */
export function findRoomVersion(id: string): RoomVersion | undefined {
  return roomVersions.get(id)
}
