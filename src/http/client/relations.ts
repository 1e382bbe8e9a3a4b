import * as v from 'valibot'
import type { Requester } from '../../accounts/requester.ts'
import { positionOf } from '../../delivery/position.ts'
import type { EventId, RoomId } from '../../protocol/ids.ts'
import { readRelations } from '../../rooms/relations.ts'
import type { Deps } from '../deps.ts'
import { endpoint } from '../endpoint.ts'
import { booleanParam, eventId, firstOf, integerParam, roomId } from '../schemas.ts'
import { viewerOf } from '../../rooms/viewer.ts'
import { rawEvents } from './messages.ts'

const query = v.object({
  from: v.optional(firstOf),
  to: v.optional(firstOf),
  limit: v.optional(integerParam({ least: 1, most: 100 }), '20'),
  dir: v.optional(v.picklist(['b', 'f'], 'neither b nor f'), 'b'),
  recurse: v.optional(booleanParam, 'false'),
})

interface Wanted {
  readonly roomId: RoomId
  readonly eventId: EventId
  readonly relType?: string
  readonly eventType?: string
}

async function read(deps: Deps, requester: Requester, wanted: Wanted, asked: v.InferOutput<typeof query>) {
  const found = await deps.database.snapshot(async (conn) => {
    // a token that is none is refused in the same way where there is no such room
    const room = (await deps.roomCache.find(conn, wanted.roomId)) ?? { nid: 0 }
    const position = async (text: string | undefined) => (text === undefined ? undefined : positionOf(conn, room, text))
    return readRelations(deps, conn, viewerOf(requester), wanted.roomId, {
      eventId: wanted.eventId,
      relType: wanted.relType,
      eventType: wanted.eventType,
      direction: asked.dir,
      from: await position(asked.from),
      to: await position(asked.to),
      limit: asked.limit,
      recurse: asked.recurse,
    })
  })
  return {
    chunk: rawEvents(found.chunk),
    ...(found.next === undefined ? {} : { next_batch: found.next }),
    ...(found.previous === undefined ? {} : { prev_batch: found.previous }),
    ...(found.depth === undefined ? {} : { recursion_depth: found.depth }),
  }
}

export const relations = endpoint({
  method: 'GET',
  path: '/_matrix/client/v1/rooms/:roomId/relations/:eventId',
  auth: 'user',
  limit: 'read',
  params: v.object({ roomId, eventId }),
  query,
  handle: ({ deps, requester, params, query: asked }) => read(deps, requester, params, asked),
})

export const relationsOfType = endpoint({
  method: 'GET',
  path: '/_matrix/client/v1/rooms/:roomId/relations/:eventId/:relType',
  auth: 'user',
  limit: 'read',
  params: v.object({ roomId, eventId, relType: v.string() }),
  query,
  handle: ({ deps, requester, params, query: asked }) => read(deps, requester, params, asked),
})

export const relationsOfEventType = endpoint({
  method: 'GET',
  path: '/_matrix/client/v1/rooms/:roomId/relations/:eventId/:relType/:eventType',
  auth: 'user',
  limit: 'read',
  params: v.object({ roomId, eventId, relType: v.string(), eventType: v.string() }),
  query,
  handle: ({ deps, requester, params, query: asked }) => read(deps, requester, params, asked),
})

export const endpoints = [relations, relationsOfType, relationsOfEventType]
