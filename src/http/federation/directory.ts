import * as v from 'valibot'
import { MatrixError } from '../../protocol/errors.ts'
import { listPublicRooms } from '../../rooms/directory.ts'
import { findLocalAlias } from '../../rooms/resolve-alias.ts'
import type { Deps } from '../deps.ts'
import { endpoint } from '../endpoint.ts'
import { integerParam, roomAlias } from '../schemas.ts'

const publicRooms = '/_matrix/federation/v1/publicRooms'

export const queryDirectory = endpoint({
  method: 'GET',
  path: '/_matrix/federation/v1/query/directory',
  auth: 'server',
  limit: 'federation',
  query: v.object({ room_alias: roomAlias }),
  async handle({ deps, query: { room_alias: alias } }) {
    const found = await findLocalAlias(deps, alias)
    if (found === undefined) throw new MatrixError('M_NOT_FOUND', 'Room alias not found')
    return { room_id: found.roomId, servers: found.servers }
  },
})

export const getPublicRooms = endpoint({
  method: 'GET',
  path: publicRooms,
  auth: 'server',
  limit: 'federation',
  query: v.object({ limit: v.optional(integerParam()), since: v.optional(v.string()) }),
  async handle({ deps, query }) {
    assertOpen(deps)
    return listPublicRooms(deps, query)
  },
})

export const searchPublicRooms = endpoint({
  method: 'POST',
  path: publicRooms,
  auth: 'server',
  limit: 'federation',
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
  async handle({ deps, body: { limit, since, filter } }) {
    assertOpen(deps)
    const { generic_search_term: term, room_types: types } = filter ?? {}
    return listPublicRooms(deps, { limit, since, term: term ?? undefined, types: types ?? undefined })
  },
})

function assertOpen({ config }: Pick<Deps, 'config'>): void {
  if (!config.directory.publicOverFederation)
    throw new MatrixError('M_FORBIDDEN', 'This server does not show its rooms to other servers')
}

export const endpoints = [queryDirectory, getPublicRooms, searchPublicRooms]
