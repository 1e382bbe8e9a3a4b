import * as v from 'valibot'
import { positionOf } from '../../delivery/position.ts'
import { readThreads } from '../../rooms/relations.ts'
import { viewerOf } from '../../rooms/viewer.ts'
import { endpoint } from '../endpoint.ts'
import { firstOf, integerParam, roomId } from '../schemas.ts'
import { rawEvents } from './messages.ts'

export const threads = endpoint({
  method: 'GET',
  path: '/_matrix/client/v1/rooms/:roomId/threads',
  aliases: ['/_matrix/client/unstable/org.matrix.msc3856/rooms/:roomId/threads'],
  auth: 'user',
  limit: 'read',
  params: v.object({ roomId }),
  query: v.object({
    include: v.optional(v.picklist(['all', 'participated'], 'neither all nor participated'), 'all'),
    limit: v.optional(integerParam({ least: 1, most: 100 }), '20'),
    from: v.optional(firstOf),
  }),
  async handle({ deps, requester, params, query }) {
    const { chunk, next } = await deps.database.snapshot((conn) =>
      readThreads(deps, conn, viewerOf(requester), params.roomId, {
        participated: query.include === 'participated',
        limit: query.limit,
        from: query.from === undefined ? undefined : async (room) => positionOf(conn, room, query.from ?? ''),
      }),
    )
    return { chunk: rawEvents(chunk), ...(next === undefined ? {} : { next_batch: next }) }
  },
})

export const endpoints = [threads]
