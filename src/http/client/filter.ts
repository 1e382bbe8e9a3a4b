import * as v from 'valibot'
import { assertSelf } from '../../accounts/active.ts'
import { getFilter, putFilter } from '../../accounts/filters.ts'
import { RawJson } from '../../util/raw-json.ts'
import { endpoint } from '../endpoint.ts'
import { jsonObject, userId } from '../schemas.ts'

export const postFilter = endpoint({
  method: 'POST',
  path: '/_matrix/client/v3/user/:userId/filter',
  auth: 'user',
  limit: 'write',
  params: v.object({ userId }),
  body: jsonObject,
  async handle({ deps, requester, params, body }) {
    assertSelf(requester, params.userId, 'filters')
    return { filter_id: await putFilter(deps, requester, body) }
  },
})

export const filter = endpoint({
  method: 'GET',
  path: '/_matrix/client/v3/user/:userId/filter/:filterId',
  auth: 'user',
  limit: 'read',
  params: v.object({ userId, filterId: v.string() }),
  async handle({ deps, requester, params }) {
    assertSelf(requester, params.userId, 'filters')
    return new RawJson(await getFilter(deps, requester, params.filterId))
  },
})

export const endpoints = [postFilter, filter]
