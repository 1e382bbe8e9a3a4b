import * as v from 'valibot'
import { getAccountData, setAccountData } from '../../accounts/account-data.ts'
import { assertSelf } from '../../accounts/active.ts'
import { RawJson } from '../../util/raw-json.ts'
import { endpoint } from '../endpoint.ts'
import { jsonObject, roomId, userId } from '../schemas.ts'

const globalPath = '/_matrix/client/v3/user/:userId/account_data/:type'
const roomPath = '/_matrix/client/v3/user/:userId/rooms/:roomId/account_data/:type'
const globalParams = v.object({ userId, type: v.string() })
const roomParams = v.object({ userId, roomId, type: v.string() })

export const accountData = endpoint({
  method: 'GET',
  path: globalPath,
  auth: 'user',
  limit: 'read',
  params: globalParams,
  async handle({ deps, requester, params }) {
    assertSelf(requester, params.userId, 'account data')
    return new RawJson(await getAccountData(deps, requester, undefined, params.type))
  },
})

export const putAccountData = endpoint({
  method: 'PUT',
  path: globalPath,
  auth: 'user',
  limit: 'write',
  params: globalParams,
  body: jsonObject,
  bodyKind: 'keys',
  async handle({ deps, requester, params, body }) {
    assertSelf(requester, params.userId, 'account data')
    await setAccountData(deps, requester, undefined, params.type, body)
    return {}
  },
})

export const roomAccountData = endpoint({
  method: 'GET',
  path: roomPath,
  auth: 'user',
  limit: 'read',
  params: roomParams,
  async handle({ deps, requester, params }) {
    assertSelf(requester, params.userId, 'account data')
    return new RawJson(await getAccountData(deps, requester, params.roomId, params.type))
  },
})

export const putRoomAccountData = endpoint({
  method: 'PUT',
  path: roomPath,
  auth: 'user',
  limit: 'write',
  params: roomParams,
  body: jsonObject,
  bodyKind: 'keys',
  async handle({ deps, requester, params, body }) {
    assertSelf(requester, params.userId, 'account data')
    await setAccountData(deps, requester, params.roomId, params.type, body)
    return {}
  },
})

export const endpoints = [accountData, putAccountData, roomAccountData, putRoomAccountData]
