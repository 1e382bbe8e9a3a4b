import * as v from 'valibot'
import { ban, kick, unban } from '../../rooms/membership.ts'
import { endpoint } from '../endpoint.ts'
import { roomId, userId } from '../schemas.ts'

const params = v.object({ roomId })
const body = v.object({ user_id: userId, reason: v.optional(v.string()) })
const common = { method: 'POST', auth: 'user', limit: 'write', suspended: false, params, body } as const

export const kickUser = endpoint({
  ...common,
  path: '/_matrix/client/v3/rooms/:roomId/kick',
  async handle({ deps, requester, params: { roomId: room }, body: { user_id: target, reason } }) {
    await kick(deps, requester, { roomId: room, target, reason })
    return {}
  },
})

export const banUser = endpoint({
  ...common,
  path: '/_matrix/client/v3/rooms/:roomId/ban',
  async handle({ deps, requester, params: { roomId: room }, body: { user_id: target, reason } }) {
    await ban(deps, requester, { roomId: room, target, reason })
    return {}
  },
})

export const unbanUser = endpoint({
  ...common,
  path: '/_matrix/client/v3/rooms/:roomId/unban',
  async handle({ deps, requester, params: { roomId: room }, body: { user_id: target, reason } }) {
    await unban(deps, requester, { roomId: room, target, reason })
    return {}
  },
})

export const endpoints = [kickUser, banUser, unbanUser]
