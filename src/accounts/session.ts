import { MatrixError } from '../protocol/errors.ts'
import type { TokenRow } from '../store/tokens.ts'
import type { AccountsDeps } from './deps.ts'
import { confirmRefresh } from './refresh.ts'
import type { Requester } from './requester.ts'
import { hashToken } from './tokens.ts'

/** What is known of the request beside its token. */
export interface AuthenticateOptions {
  /** masked before it is stored */
  readonly address?: string | undefined
  readonly userAgent?: string | undefined
  /** the caller sent `DNT: 1`: address and user agent are not stored */
  readonly doNotTrack?: boolean | undefined
  /** let a locked account through (only for logging out) */
  readonly isLockedAllowed?: boolean | undefined
  /** whom an application service acts as; ignored for everybody else, as the specification has it */
  readonly asUserId?: string | undefined
  readonly asDeviceId?: string | undefined
}

type Deps = Pick<AccountsDeps, 'database' | 'clock' | 'sessions' | 'lastSeen' | 'config'>

/**
 * Who has this access token (client-server API, "Using access tokens"). Throws `M_UNKNOWN_TOKEN` where nobody has it any
 * more, with `soft_logout: true` where it only expired, and `M_USER_LOCKED` for a locked account.
 */
export async function authenticate(deps: Deps, token: string, options: AuthenticateOptions = {}): Promise<Requester> {
  const hash = hashToken(token)
  const row = await deps.sessions.find(deps.database, hash)
  if (row === undefined || row.deactivated_ts !== null || row.erased_ts !== null) throw unknownToken()
  const now = deps.clock.now()
  if (row.expires_ts !== null && row.expires_ts <= now)
    throw new MatrixError('M_UNKNOWN_TOKEN', 'Access token has expired', { soft_logout: true })
  if (row.locked && options.isLockedAllowed !== true) throw locked()
  if (!row.used && row.refresh_hash !== null) await confirmRefresh(deps, hash, row)
  const requester = requesterOf(row, hash, deps.config.admin.users)
  if (requester.deviceId !== undefined) deps.lastSeen.note(requester.userNid, requester.deviceId, options)
  return requester
}

function requesterOf(row: TokenRow, tokenHash: string, admins: readonly string[]): Requester {
  return {
    userId: row.user_id,
    userNid: row.user_nid,
    deviceId: row.device_id ?? undefined,
    kind: row.kind,
    admin: row.admin || admins.includes(row.user_id),
    suspended: row.suspended,
    tokenHash,
  }
}

/** The answer to a token that nobody has. */
export function unknownToken(): MatrixError {
  return new MatrixError('M_UNKNOWN_TOKEN', 'Unrecognised access token', { soft_logout: false })
}

/** The answer to somebody whose account is locked (client-server API, "Account locking"). */
export function locked(): MatrixError {
  return new MatrixError('M_USER_LOCKED', 'This account has been locked', { soft_logout: true })
}
