import * as v from 'valibot'
import { profileForFederation } from '../../accounts/profile.ts'
import { MatrixError } from '../../protocol/errors.ts'
import { serverNameOf } from '../../protocol/ids.ts'
import { endpoint } from '../endpoint.ts'
import { userId } from '../schemas.ts'

/** A local user's profile (server-server API, "Query Profile"). */
export const queryProfile = endpoint({
  method: 'GET',
  path: '/_matrix/federation/v1/query/profile',
  auth: 'server',
  limit: 'federation',
  query: v.object({ user_id: userId, field: v.optional(v.string()) }),
  async handle({ deps, query }) {
    if (serverNameOf(query.user_id) !== deps.serverName)
      throw new MatrixError('M_NOT_FOUND', 'not a user of this server')
    return profileForFederation(deps, query.user_id, query.field)
  },
})

export const endpoints = [queryProfile]
