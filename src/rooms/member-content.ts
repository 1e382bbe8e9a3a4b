import { memberProfile } from '../accounts/profile.ts'
import { MatrixError } from '../protocol/errors.ts'
import type { UserId } from '../protocol/ids.ts'
import { serverNameOf } from '../protocol/ids.ts'
import type { JsonObject } from '../protocol/json-types.ts'
import { utf8Length } from '../protocol/text.ts'
import type { Conn } from '../store/database.ts'
import type { Membership } from '../store/memberships.ts'
import type { RoomsDeps } from './deps.ts'

/** NOTSPEC: the longest reason, in bytes. */
const maxReasonBytes = 1024

/** What a member event says beyond the membership. */
export interface MemberExtras {
  readonly reason?: string | undefined
  readonly isDirect?: boolean | undefined
  /** Further members of the content, from a client's own state event; they win over the profile. */
  readonly more?: JsonObject | undefined
}

/**
 * The content of a member event about `target`: of a local user who comes in, or is asked in, with the display name and
 * avatar of their profile. Throws `M_TOO_LARGE` for a reason that is too long.
 */
export async function memberContent(
  conn: Conn,
  deps: Pick<RoomsDeps, 'roomCache' | 'serverName'>,
  target: UserId,
  membership: Membership,
  { reason, isDirect, more }: MemberExtras = {},
): Promise<JsonObject> {
  if (reason !== undefined && utf8Length(reason) > maxReasonBytes)
    throw new MatrixError('M_TOO_LARGE', `A reason has at most ${maxReasonBytes} bytes`)
  const isComing = membership === 'join' || membership === 'invite' || membership === 'knock'
  const targetNid =
    isComing && serverNameOf(target) === deps.serverName ? await deps.roomCache.userNid(conn, target) : undefined
  const profile = targetNid === undefined ? undefined : await memberProfile(conn, targetNid)
  return {
    ...(profile?.displayname === undefined ? {} : { displayname: profile.displayname }),
    ...(profile?.avatarUrl === undefined ? {} : { avatar_url: profile.avatarUrl }),
    ...more,
    ...(reason === undefined ? {} : { reason }),
    ...(isDirect === true ? { is_direct: true } : {}),
    membership,
  }
}
