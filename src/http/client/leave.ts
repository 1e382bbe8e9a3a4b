import * as v from 'valibot'
import { leaveRoom } from '../../rooms/leave.ts'
import { forgetRoom } from '../../rooms/membership.ts'
import { endpoint } from '../endpoint.ts'
import { roomId } from '../schemas.ts'

export const leave = endpoint({
  method: 'POST',
  path: '/_matrix/client/v3/rooms/:roomId/leave',
  auth: 'user',
  limit: 'write',
  guests: true,
  params: v.object({ roomId }),
  body: v.object({ reason: v.optional(v.string()) }),
  async handle({ deps, requester, params, body: { reason } }) {
    await leaveRoom(deps, requester, params.roomId, { reason })
    return {}
  },
})

export const forget = endpoint({
  method: 'POST',
  path: '/_matrix/client/v3/rooms/:roomId/forget',
  auth: 'user',
  limit: 'write',
  params: v.object({ roomId }),
  async handle({ deps, requester, params }) {
    await forgetRoom(deps, requester, params.roomId)
    return {}
  },
})

export const endpoints = [leave, forget]
