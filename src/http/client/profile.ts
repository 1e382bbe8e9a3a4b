import * as v from 'valibot'
import { getProfile, getProfileField, removeProfileField, setProfileField } from '../../accounts/profile.ts'
import { MatrixError } from '../../protocol/errors.ts'
import { memberOf } from '../../protocol/json.ts'
import { endpoint } from '../endpoint.ts'
import { jsonObject, userId } from '../schemas.ts'

const path = '/_matrix/client/v3/profile/:userId/:keyName'
const aliases = ['/_matrix/client/unstable/uk.tcpip.msc4133/profile/:userId/:keyName']
const params = v.object({ userId, keyName: v.string() })

export const profile = endpoint({
  method: 'GET',
  path: '/_matrix/client/v3/profile/:userId',
  auth: 'optional',
  limit: 'read',
  guests: true,
  params: v.object({ userId }),
  handle: ({ deps, requester, params: { userId: of } }) => getProfile(deps, requester, of),
})

export const profileField = endpoint({
  method: 'GET',
  path,
  aliases,
  auth: 'optional',
  limit: 'read',
  guests: true,
  params,
  handle: ({ deps, requester, params: { userId: of, keyName } }) => getProfileField(deps, requester, of, keyName),
})

export const putProfileField = endpoint({
  method: 'PUT',
  path,
  aliases,
  auth: 'user',
  limit: 'write',
  guests: true,
  suspended: false,
  params,
  body: jsonObject,
  async handle({ deps, requester, params: { userId: of, keyName }, body }) {
    const value = memberOf(body, keyName)
    if (value === undefined) throw new MatrixError('M_MISSING_PARAM', 'The body lacks the field of the path')
    if (await setProfileField(deps, requester, of, keyName, value)) await deps.profileChanged(requester)
    return {}
  },
})

export const deleteProfileField = endpoint({
  method: 'DELETE',
  path,
  aliases,
  auth: 'user',
  limit: 'write',
  guests: true,
  suspended: false,
  params,
  async handle({ deps, requester, params: { userId: of, keyName } }) {
    if (await removeProfileField(deps, requester, of, keyName)) await deps.profileChanged(requester)
    return {}
  },
})

export const endpoints = [profile, profileField, putProfileField, deleteProfileField]
