import { listDevices } from '../store/devices.ts'
import { deleteAccessToken, deleteTokensOfUser } from '../store/tokens.ts'
import { endDevices } from './devices.ts'
import type { AccountsDeps } from './deps.ts'
import type { Requester } from './requester.ts'

type Deps = Pick<AccountsDeps, 'database' | 'sessions' | 'outbound' | 'changes'>

/** `POST /logout`: ends the token, its device and all tokens of that. */
export async function logOut(deps: Deps, requester: Requester): Promise<void> {
  const { deviceId, tokenHash } = requester
  await deps.database.write(async (tx) => {
    await deleteAccessToken(tx, tokenHash)
    await endDevices(tx, deps, requester, deviceId === undefined ? [] : [deviceId])
  })
}

/** `POST /logout/all`: ends all tokens and devices of the user. */
export async function logOutEverywhere(deps: Deps, requester: Pick<Requester, 'userNid' | 'userId'>): Promise<void> {
  const { userNid } = requester
  await deps.database.write(async (tx) => {
    const devices = await listDevices(tx, userNid)
    await deleteTokensOfUser(tx, userNid)
    await endDevices(
      tx,
      deps,
      requester,
      devices.map(({ device_id: id }) => id),
    )
  })
}
