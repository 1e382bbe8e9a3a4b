import { MatrixError } from '../protocol/errors.ts'
import { utf8Length } from '../protocol/text.ts'
import type { Tx } from '../store/database.ts'
import { insertDevice } from '../store/devices.ts'
import { deleteTokensOfDevices, insertAccessToken, insertRefreshToken } from '../store/tokens.ts'
import type { AccountsDeps } from './deps.ts'
import { accessTokenLifetimeMs } from './refresh.ts'
import { hashToken, makeDeviceId, makeToken } from './tokens.ts'

/** NOTSPEC: the longest device id and device name, in bytes. */
export const maxDeviceIdBytes = 255
export const maxDeviceNameBytes = 1024

/** What a client asks for when it logs in. */
export interface SessionWish {
  readonly deviceId?: string | undefined
  /** only for a new device */
  readonly displayName?: string | undefined
  /** it can refresh its access token */
  readonly canRefresh?: boolean | undefined
}

/** A session whose secrets are made but not stored. */
export interface SessionPlan {
  readonly deviceId: string
  readonly displayName: string | null
  readonly accessToken: string
  readonly refreshToken: string | undefined
  readonly family: string
  readonly expiresInMs: number | undefined
  readonly ts: number
}

/** Makes the secrets of a session. Throws `M_INVALID_PARAM` for a device id or name that cannot be. */
export function planSession(deps: Pick<AccountsDeps, 'random' | 'clock'>, wish: SessionWish): SessionPlan {
  const { deviceId, displayName, canRefresh = false } = wish
  if (deviceId !== undefined && (deviceId === '' || utf8Length(deviceId) > maxDeviceIdBytes))
    throw new MatrixError('M_INVALID_PARAM', `A device id has 1 to ${maxDeviceIdBytes} bytes`)
  assertDeviceName(displayName)
  const { random } = deps
  return {
    deviceId: deviceId ?? makeDeviceId(random),
    displayName: displayName ?? null,
    accessToken: makeToken(random, 'access'),
    refreshToken: canRefresh ? makeToken(random, 'refresh') : undefined,
    family: random.token(16),
    expiresInMs: canRefresh ? accessTokenLifetimeMs : undefined,
    ts: deps.clock.now(),
  }
}

/** Throws `M_INVALID_PARAM` for a device name that is too long. */
export function assertDeviceName(name: string | undefined): void {
  if (name !== undefined && utf8Length(name) > maxDeviceNameBytes)
    throw new MatrixError('M_INVALID_PARAM', `A device name has at most ${maxDeviceNameBytes} bytes`)
}

/** Stores a planned session; tokens that the device had before end. */
export async function putSession(
  tx: Tx,
  deps: Pick<AccountsDeps, 'sessions'>,
  userNid: number,
  plan: SessionPlan,
): Promise<void> {
  const { deviceId, displayName, ts, family, refreshToken, accessToken, expiresInMs } = plan
  const isNew = await insertDevice(tx, { userNid, deviceId, displayName, ts })
  if (!isNew) {
    await deleteTokensOfDevices(tx, userNid, [deviceId])
    await deps.sessions.invalidate(tx)
  }
  if (refreshToken !== undefined)
    await insertRefreshToken(tx, { hash: hashToken(refreshToken), userNid, deviceId, family })
  const expiresTs = expiresInMs === undefined ? null : ts + expiresInMs
  await insertAccessToken(tx, { hash: hashToken(accessToken), userNid, deviceId, ts, expiresTs, refreshHash: null })
}
