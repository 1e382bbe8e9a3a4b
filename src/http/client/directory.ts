import * as v from 'valibot'
import type { Requester } from '../../accounts/requester.ts'
import { MatrixError } from '../../protocol/errors.ts'
import type { ServerName } from '../../protocol/ids.ts'
import type { JsonObject } from '../../protocol/json-types.ts'
import type { DirectoryRequest } from '../../rooms/directory.ts'
import { isRoomPublished, listPublicRooms, listRemotePublicRooms, publishRoom } from '../../rooms/directory.ts'
import type { Deps } from '../deps.ts'
import { endpoint } from '../endpoint.ts'
import { integerParam, roomId, serverName } from '../schemas.ts'

const listed = '/_matrix/client/v3/directory/list/room/:roomId'
const publicRooms = '/_matrix/client/v3/publicRooms'

export const getVisibility = endpoint({
  method: 'GET',
  path: listed,
  auth: 'none',
  limit: 'read',
  params: v.object({ roomId }),
  async handle({ deps, params: { roomId: room } }) {
    return { visibility: (await isRoomPublished(deps, room)) ? 'public' : 'private' }
  },
})

export const putVisibility = endpoint({
  method: 'PUT',
  path: listed,
  auth: 'user',
  limit: 'write',
  suspended: false,
  params: v.object({ roomId }),
  body: v.object({ visibility: v.optional(v.picklist(['public', 'private']), 'public') }),
  async handle({ deps, requester, params: { roomId: room }, body: { visibility } }) {
    await publishRoom(deps, requester, room, visibility === 'public')
    return {}
  },
})

export const getPublicRooms = endpoint({
  method: 'GET',
  path: publicRooms,
  auth: 'optional',
  limit: 'search',
  query: v.object({
    limit: v.optional(integerParam()),
    since: v.optional(v.string()),
    server: v.optional(serverName),
  }),
  async handle({ deps, requester, query: { limit, since, server } }) {
    return answer(deps, requester, server, { limit, since })
  },
})

export const searchPublicRooms = endpoint({
  method: 'POST',
  path: publicRooms,
  auth: 'user',
  limit: 'search',
  query: v.object({ server: v.optional(serverName) }),
  body: v.object({
    limit: v.optional(v.pipe(v.number(), v.integer(), v.minValue(0))),
    since: v.optional(v.string()),
    filter: v.optional(
      v.object({
        generic_search_term: v.nullish(v.string()),
        room_types: v.nullish(v.array(v.nullable(v.string()))),
      }),
    ),
  }),
  async handle({ deps, requester, query: { server }, body: { limit, since, filter } }) {
    const { generic_search_term: term, room_types: types } = filter ?? {}
    return answer(deps, requester, server, { limit, since, term: term ?? undefined, types: types ?? undefined })
  },
})

async function answer(
  deps: Deps,
  requester: Requester | undefined,
  server: ServerName | undefined,
  request: DirectoryRequest,
): Promise<JsonObject> {
  if (requester === undefined && (!deps.config.directory.publicWithoutLogin || server !== undefined))
    throw new MatrixError('M_MISSING_TOKEN', 'Log in to see the rooms of this server')
  if (server === undefined || server === deps.serverName) return listPublicRooms(deps, request)
  const { limit, since, term, types } = request
  return listRemotePublicRooms(deps, server, {
    limit: limit === undefined || limit === 0 ? 100 : limit,
    ...(since === undefined ? {} : { since }),
    filter: {
      ...(term === undefined ? {} : { generic_search_term: term }),
      ...(types === undefined ? {} : { room_types: types }),
    },
  })
}

export const endpoints = [getVisibility, putVisibility, getPublicRooms, searchPublicRooms]
