import * as v from 'valibot'
import { joinRoom } from '../../rooms/join.ts'
import { endpoint } from '../endpoint.ts'
import { repeated, roomId, roomIdOrAlias, serverName } from '../schemas.ts'

const body = v.object({ reason: v.optional(v.string()) })

export const join = endpoint({
  method: 'POST',
  path: '/_matrix/client/v3/rooms/:roomId/join',
  auth: 'user',
  limit: 'join',
  guests: true,
  suspended: false,
  params: v.object({ roomId }),
  body,
  async handle({ deps, requester, params, body: { reason } }) {
    return { room_id: await joinRoom(deps, requester, { target: params.roomId, reason }) }
  },
})

export const joinByIdOrAlias = endpoint({
  method: 'POST',
  path: '/_matrix/client/v3/join/:roomIdOrAlias',
  auth: 'user',
  limit: 'join',
  guests: true,
  suspended: false,
  params: v.object({ roomIdOrAlias }),
  // `server_name` is what `via` was called before (client-server API, 1.12)
  query: v.object({ via: v.optional(repeated(serverName)), server_name: v.optional(repeated(serverName)) }),
  body,
  async handle({ deps, requester, params, query, body: { reason } }) {
    const via = [...(query.via ?? []), ...(query.server_name ?? [])]
    return { room_id: await joinRoom(deps, requester, { target: params.roomIdOrAlias, via, reason }) }
  },
})

export const endpoints = [join, joinByIdOrAlias]
