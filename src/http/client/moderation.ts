import * as v from 'valibot'
import { getAccount, setFlag } from '../../accounts/moderation.ts'
import type { AccountRow } from '../../accounts/moderation.ts'
import { MatrixError } from '../../protocol/errors.ts'
import { serverNameOf } from '../../protocol/ids.ts'
import type { UserId } from '../../protocol/ids.ts'
import type { Deps } from '../deps.ts'
import { endpoint } from '../endpoint.ts'
import type { AdminRequester } from '../endpoint.ts'
import { userId } from '../schemas.ts'

const params = v.object({ userId })

export const lockState = endpoint({
  method: 'GET',
  path: '/_matrix/client/v1/admin/lock/:userId',
  auth: 'admin',
  limit: 'admin',
  params,
  handle: async ({ deps, requester, params: { userId: target } }) => ({
    locked: (await moderated(deps, requester, target)).locked,
  }),
})

export const putLock = endpoint({
  method: 'PUT',
  path: '/_matrix/client/v1/admin/lock/:userId',
  auth: 'admin',
  limit: 'admin',
  params,
  body: v.object({ locked: v.boolean() }),
  async handle({ deps, requester, params: { userId: target }, body: { locked } }) {
    await change(deps, requester, target, 'locked', locked)
    return { locked }
  },
})

export const suspensionState = endpoint({
  method: 'GET',
  path: '/_matrix/client/v1/admin/suspend/:userId',
  auth: 'admin',
  limit: 'admin',
  params,
  handle: async ({ deps, requester, params: { userId: target } }) => ({
    suspended: (await moderated(deps, requester, target)).suspended,
  }),
})

export const putSuspension = endpoint({
  method: 'PUT',
  path: '/_matrix/client/v1/admin/suspend/:userId',
  auth: 'admin',
  limit: 'admin',
  params,
  body: v.object({ suspended: v.boolean() }),
  async handle({ deps, requester, params: { userId: target }, body: { suspended } }) {
    await change(deps, requester, target, 'suspended', suspended)
    return { suspended }
  },
})

async function change(
  deps: Deps,
  requester: AdminRequester,
  target: UserId,
  flag: 'locked' | 'suspended',
  value: boolean,
): Promise<void> {
  if (requester.userId === target) throw new MatrixError('M_FORBIDDEN', 'Not your own account')
  await moderated(deps, requester, target)
  await setFlag(deps, requester, target, flag, value)
}

/** An account that an administrator may judge. Throws `M_INVALID_PARAM`, `M_NOT_FOUND`, and `M_FORBIDDEN` for other administrators. */
async function moderated(deps: Deps, requester: AdminRequester, target: UserId): Promise<AccountRow> {
  if (serverNameOf(target) !== deps.serverName)
    throw new MatrixError('M_INVALID_PARAM', 'The user does not belong to this server')
  const account = await getAccount(deps, target)
  if (account.deactivated_ts !== null) throw new MatrixError('M_NOT_FOUND', 'There is no such account')
  const isAdmin = account.admin || deps.config.admin.users.includes(target)
  if (isAdmin && requester.userId !== target) throw new MatrixError('M_FORBIDDEN', 'This account is an administrator')
  return account
}

export const endpoints = [lockState, putLock, suspensionState, putSuspension]
