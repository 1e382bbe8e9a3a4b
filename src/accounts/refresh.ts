import { MatrixError } from '../protocol/errors.ts'
import { findAccount } from '../store/accounts.ts'
import type { Tx } from '../store/database.ts'
import { user as userLock } from '../store/locks.ts'
import {
  deleteAccessTokensMadeWith,
  deleteOtherAccessTokens,
  deleteRefreshToken,
  deleteTokensOfDevices,
  findAccessToken,
  findRefreshToken,
  insertAccessToken,
  insertRefreshToken,
  putAccessTokenUsed,
  putNextRefreshToken,
  putPreviousRefreshTokenUsed,
  putRefreshTokenUsed,
} from '../store/tokens.ts'
import type { RefreshTokenRow, TokenRow } from '../store/tokens.ts'
import type { AccountsDeps } from './deps.ts'
import { hashToken, makeToken } from './tokens.ts'

/** NOTSPEC: how long an access token lives whose client can refresh it. */
export const accessTokenLifetimeMs = 3_600_000
// the row of a used refresh token stays this long, so that its reuse is noticed
const reuseNoticedMs = 30 * 86_400_000

type Deps = Pick<AccountsDeps, 'database' | 'clock' | 'random' | 'sessions'>

/** What `/refresh` answers; the lifetime in ms. */
export interface Refreshed {
  readonly accessToken: string
  readonly refreshToken: string
  readonly expiresInMs: number
}

type Outcome = 'done' | 'unknown' | 'locked'

/**
 * Gives a new access token and a new refresh token for a refresh token (client-server API, "Refreshing access tokens").
 * The old one works until one of the new ones was used, so that a lost reply can be asked for again; after that its reuse
 * ends the session. Throws `M_UNKNOWN_TOKEN`, `M_USER_LOCKED`.
 */
export async function refreshSession(deps: Deps, refreshToken: string): Promise<Refreshed> {
  const made = { access: makeToken(deps.random, 'access'), refresh: makeToken(deps.random, 'refresh') }
  const now = deps.clock.now()
  const hash = hashToken(refreshToken)
  const known = await deps.database.read((conn) => findRefreshToken(conn, hash))
  const outcome =
    known === undefined
      ? 'unknown'
      : await deps.database.write((tx) => replace(tx, deps, hash, made, now), { locks: [userLock(known.user_nid)] })
  if (outcome === 'locked')
    throw new MatrixError('M_USER_LOCKED', 'This account has been locked', { soft_logout: true })
  if (outcome === 'unknown')
    throw new MatrixError('M_UNKNOWN_TOKEN', 'Unrecognised refresh token', { soft_logout: false })
  return { accessToken: made.access, refreshToken: made.refresh, expiresInMs: accessTokenLifetimeMs }
}

async function replace(
  tx: Tx,
  deps: Deps,
  hash: string,
  made: { readonly access: string; readonly refresh: string },
  now: number,
): Promise<Outcome> {
  const row = await findRefreshToken(tx, hash)
  if (row === undefined) return 'unknown'
  const account = await findAccount(tx, row.user_nid)
  if (account === undefined || account.deactivated_ts !== null) return 'unknown'
  if (account.locked) return 'locked'
  if (row.used) {
    await deleteTokensOfDevices(tx, row.user_nid, [row.device_id])
    await deps.sessions.invalidate(tx)
    return 'unknown'
  }
  if (row.next_hash !== null) await withdraw(tx, deps, row, row.next_hash)
  await putPreviousRefreshTokenUsed(tx, row.family, hash, now + reuseNoticedMs)
  const next = hashToken(made.refresh)
  const { user_nid: userNid, device_id: deviceId, family } = row
  await insertRefreshToken(tx, { hash: next, userNid, deviceId, family })
  await putNextRefreshToken(tx, hash, next)
  const expiresTs = now + accessTokenLifetimeMs
  await insertAccessToken(tx, {
    hash: hashToken(made.access),
    userNid,
    deviceId,
    ts: now,
    expiresTs,
    refreshHash: hash,
  })
  return 'done'
}

/** Takes back the tokens of a reply that seems to have been lost; none of them was used. */
async function withdraw(tx: Tx, deps: Deps, row: RefreshTokenRow, next: string): Promise<void> {
  await deleteRefreshToken(tx, next)
  const ended = await deleteAccessTokensMadeWith(tx, row.token_hash)
  if (ended > 0) await deps.sessions.invalidate(tx)
}

/** The first use of a refreshed access token: the refresh token that made it, and older access tokens, work no more. */
export async function confirmRefresh(
  deps: Pick<AccountsDeps, 'database' | 'clock' | 'sessions'>,
  hash: string,
  row: TokenRow,
): Promise<void> {
  const forgetTs = deps.clock.now() + reuseNoticedMs
  const isThere = await deps.database.write(async (tx) => {
    const current = await findAccessToken(tx, hash)
    if (current === undefined) return false
    await putAccessTokenUsed(tx, hash)
    if (row.refresh_hash !== null) await putRefreshTokenUsed(tx, row.refresh_hash, forgetTs)
    if (row.device_id !== null) await deleteOtherAccessTokens(tx, row.user_nid, row.device_id, hash)
    await deps.sessions.invalidate(tx)
    return true
  })
  if (!isThere) throw new MatrixError('M_UNKNOWN_TOKEN', 'Unrecognised access token', { soft_logout: false })
}
