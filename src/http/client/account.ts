import { deactivateAccount } from '../../accounts/deactivate.ts'
import { MatrixError } from '../../protocol/errors.ts'
import { memberOf } from '../../protocol/json.ts'
import { endpoint } from '../endpoint.ts'
import { jsonObject } from '../schemas.ts'
import { proveIdentity } from './interactive.ts'

export const whoami = endpoint({
  method: 'GET',
  path: '/_matrix/client/v3/account/whoami',
  auth: 'user',
  limit: 'read',
  guests: true,
  handle({ requester }) {
    const { userId, deviceId, kind } = requester
    return { user_id: userId, is_guest: kind === 'guest', ...(deviceId === undefined ? {} : { device_id: deviceId }) }
  },
})

export const deactivate = endpoint({
  method: 'POST',
  path: '/_matrix/client/v3/account/deactivate',
  auth: 'user',
  limit: 'login',
  guests: true,
  body: jsonObject,
  async handle({ deps, requester, body, request }) {
    const erase = memberOf(body, 'erase') ?? false
    if (typeof erase !== 'boolean') throw new MatrixError('M_BAD_JSON', 'erase must be true or false')
    await proveIdentity(deps, requester, request, 'POST /account/deactivate', body)
    // No account has identifiers at an identity server, so that nothing is left to unbind.
    const answer = { id_server_unbind_result: 'success' }
    if (erase) {
      const { receipt } = await deps.departure.erase(requester)
      // shown once: a request that came second, while the first was at work, has none
      return receipt === undefined ? answer : { ...answer, 'org.lethe.erasure_receipt': receipt }
    }
    await deactivateAccount(deps, deps.departure, requester)
    return answer
  },
})

export const thirdPartyIds = endpoint({
  method: 'GET',
  path: '/_matrix/client/v3/account/3pid',
  auth: 'user',
  limit: 'read',
  handle: () => ({ threepids: [] }),
})

export const endpoints = [whoami, deactivate, thirdPartyIds]
