import * as v from 'valibot'
import { knock } from '../../rooms/knock.ts'
import { endpoint } from '../endpoint.ts'
import { repeated, roomIdOrAlias, serverName } from '../schemas.ts'

export const knockRoom = endpoint({
  method: 'POST',
  path: '/_matrix/client/v3/knock/:roomIdOrAlias',
  auth: 'user',
  limit: 'join',
  suspended: false,
  params: v.object({ roomIdOrAlias }),
  query: v.object({ via: v.optional(repeated(serverName)), server_name: v.optional(repeated(serverName)) }),
  body: v.object({ reason: v.optional(v.string()) }),
  async handle({ deps, requester, params, query, body: { reason } }) {
    const via = [...(query.via ?? []), ...(query.server_name ?? [])]
    return { room_id: await knock(deps, requester, { target: params.roomIdOrAlias, via, reason }) }
  },
})

export const endpoints = [knockRoom]
