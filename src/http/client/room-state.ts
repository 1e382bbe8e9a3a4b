import * as v from 'valibot'
import { positionOf } from '../../delivery/position.ts'
import type { RoomId } from '../../protocol/ids.ts'
import { isJsonObject } from '../../protocol/json.ts'
import type { JsonObject } from '../../protocol/json-types.ts'
import { readEvent } from '../../rooms/timeline.ts'
import { readJoinedMembers, readJoinedRooms } from '../../rooms/joined.ts'
import { readMembers, readRoomState, readStateEvent } from '../../rooms/state-view.ts'
import { RawJson } from '../../util/raw-json.ts'
import type { Requester } from '../../accounts/requester.ts'
import type { Deps } from '../deps.ts'
import { endpoint } from '../endpoint.ts'
import { eventId, firstOf, roomId } from '../schemas.ts'
import { viewerOf } from '../../rooms/viewer.ts'
import { rawEvents } from './messages.ts'

export const event = endpoint({
  method: 'GET',
  path: '/_matrix/client/v3/rooms/:roomId/event/:eventId',
  auth: 'user',
  limit: 'read',
  guests: true,
  params: v.object({ roomId, eventId }),
  async handle({ deps, requester, params }) {
    const found = await deps.database.snapshot((conn) =>
      readEvent(deps, conn, viewerOf(requester), params.roomId, params.eventId),
    )
    return new RawJson(found.text)
  },
})

export const state = endpoint({
  method: 'GET',
  path: '/_matrix/client/v3/rooms/:roomId/state',
  aliases: ['/_matrix/client/v3/rooms/:roomId/state/'],
  auth: 'user',
  limit: 'read',
  guests: true,
  params: v.object({ roomId }),
  async handle({ deps, requester, params }) {
    const events = await deps.database.snapshot((conn) => readRoomState(deps, conn, viewerOf(requester), params.roomId))
    return rawEvents(events)
  },
})

const format = v.object({
  format: v.optional(v.picklist(['event', 'content'], 'neither event nor content'), 'content'),
})

export const stateEvent = endpoint({
  method: 'GET',
  path: '/_matrix/client/v3/rooms/:roomId/state/:eventType',
  aliases: ['/_matrix/client/v3/rooms/:roomId/state/:eventType/'],
  auth: 'user',
  limit: 'read',
  guests: true,
  params: v.object({ roomId, eventType: v.string() }),
  query: format,
  handle: ({ deps, requester, params, query }) =>
    stateAt(deps, requester, params.roomId, { type: params.eventType, stateKey: '' }, query.format),
})

export const keyedStateEvent = endpoint({
  method: 'GET',
  path: '/_matrix/client/v3/rooms/:roomId/state/:eventType/:stateKey',
  auth: 'user',
  limit: 'read',
  guests: true,
  params: v.object({ roomId, eventType: v.string(), stateKey: v.string() }),
  query: format,
  handle: ({ deps, requester, params, query }) =>
    stateAt(deps, requester, params.roomId, { type: params.eventType, stateKey: params.stateKey }, query.format),
})

async function stateAt(
  deps: Deps,
  requester: Requester,
  room: RoomId,
  key: { readonly type: string; readonly stateKey: string },
  form: 'event' | 'content',
): Promise<object> {
  const found = await deps.database.snapshot((conn) => readStateEvent(deps, conn, viewerOf(requester), room, key))
  if (form === 'event') return new RawJson(found.text)
  const { content } = JSON.parse(found.text) as { content: JsonObject }
  return isJsonObject(content) ? content : {}
}

const membership = v.picklist(['join', 'invite', 'leave', 'ban', 'knock'], 'not a membership')

export const members = endpoint({
  method: 'GET',
  path: '/_matrix/client/v3/rooms/:roomId/members',
  auth: 'user',
  limit: 'read',
  guests: true,
  params: v.object({ roomId }),
  query: v.object({
    at: v.optional(firstOf),
    membership: v.optional(membership),
    not_membership: v.optional(membership),
  }),
  async handle({ deps, requester, params, query }) {
    const { at, membership: only, not_membership: not } = query
    const events = await deps.database.snapshot((conn) =>
      readMembers(
        deps,
        conn,
        viewerOf(requester),
        params.roomId,
        at === undefined ? undefined : (room) => positionOf(conn, room, at),
      ),
    )
    const wanted = events.filter(({ text }) => {
      if (only === undefined && not === undefined) return true
      const is = (JSON.parse(text) as { content: { membership?: string } }).content.membership
      // Given together, either one lets an event through.
      return (only !== undefined && is === only) || (not !== undefined && is !== not)
    })
    return { chunk: rawEvents(wanted) }
  },
})

export const joinedMembers = endpoint({
  method: 'GET',
  path: '/_matrix/client/v3/rooms/:roomId/joined_members',
  auth: 'user',
  limit: 'read',
  params: v.object({ roomId }),
  async handle({ deps, requester, params }) {
    return {
      joined: await deps.database.snapshot((conn) => readJoinedMembers(deps, conn, viewerOf(requester), params.roomId)),
    }
  },
})

export const joinedRooms = endpoint({
  method: 'GET',
  path: '/_matrix/client/v3/joined_rooms',
  auth: 'user',
  limit: 'read',
  guests: true,
  async handle({ deps, requester }) {
    return { joined_rooms: await deps.database.read((conn) => readJoinedRooms(conn, requester.userNid)) }
  },
})

export const endpoints = [event, state, stateEvent, keyedStateEvent, members, joinedMembers, joinedRooms]
