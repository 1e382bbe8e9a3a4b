import * as v from 'valibot'
import { getOpenIdUser } from '../../accounts/short-tokens.ts'
import { endpoint } from '../endpoint.ts'

/** Whose OpenID token this is (server-server API, "OpenID"). */
export const userInfo = endpoint({
  method: 'GET',
  path: '/_matrix/federation/v1/openid/userinfo',
  auth: 'none',
  limit: 'federation',
  query: v.object({ access_token: v.string() }),
  handle: async ({ deps, query }) => ({ sub: await getOpenIdUser(deps, query.access_token) }),
})

export const endpoints = [userInfo]
