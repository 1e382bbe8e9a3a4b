import * as v from 'valibot'
import { assertSelf } from '../../accounts/active.ts'
import { makeOpenIdToken, openIdTokenLifetimeMs } from '../../accounts/short-tokens.ts'
import { endpoint } from '../endpoint.ts'
import { userId } from '../schemas.ts'

export const requestOpenIdToken = endpoint({
  method: 'POST',
  path: '/_matrix/client/v3/user/:userId/openid/request_token',
  auth: 'user',
  limit: 'write',
  params: v.object({ userId }),
  async handle({ deps, requester, params }) {
    assertSelf(requester, params.userId, 'account')
    return {
      access_token: await makeOpenIdToken(deps, requester),
      token_type: 'Bearer',
      matrix_server_name: deps.serverName,
      expires_in: openIdTokenLifetimeMs / 1000,
    }
  },
})

export const endpoints = [requestOpenIdToken]
