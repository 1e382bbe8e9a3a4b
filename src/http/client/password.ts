import { changePassword } from '../../accounts/change-password.ts'
import { MatrixError } from '../../protocol/errors.ts'
import { memberOf } from '../../protocol/json.ts'
import { endpoint } from '../endpoint.ts'
import { jsonObject } from '../schemas.ts'
import { proveIdentity } from './interactive.ts'

export const accountPassword = endpoint({
  method: 'POST',
  path: '/_matrix/client/v3/account/password',
  auth: 'user',
  limit: 'login',
  body: jsonObject,
  async handle({ deps, requester, body, request }) {
    const password = memberOf(body, 'new_password')
    const endOthers = memberOf(body, 'logout_devices') ?? true
    if (password !== undefined && typeof password !== 'string')
      throw new MatrixError('M_BAD_JSON', 'new_password must be a string')
    if (typeof endOthers !== 'boolean') throw new MatrixError('M_BAD_JSON', 'logout_devices must be true or false')
    if (password !== undefined) deps.passwords.assertAcceptable(password)
    await proveIdentity(deps, requester, request, 'POST /account/password', body)
    if (password === undefined) throw new MatrixError('M_MISSING_PARAM', 'new_password is needed')
    await changePassword(deps, requester, password, { endOthers, keep: requester.deviceId })
    return {}
  },
})

export const endpoints = [accountPassword]
