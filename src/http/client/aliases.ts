import * as v from 'valibot'
import { createAlias, deleteAlias, listAliases } from '../../rooms/aliases.ts'
import { resolveAlias } from '../../rooms/resolve-alias.ts'
import { endpoint } from '../endpoint.ts'
import { roomAlias, roomId } from '../schemas.ts'

const path = '/_matrix/client/v3/directory/room/:roomAlias'
const params = v.object({ roomAlias })

export const getAlias = endpoint({
  method: 'GET',
  path,
  auth: 'none',
  limit: 'read',
  params,
  async handle({ deps, params: { roomAlias: alias } }) {
    const { roomId: room, servers } = await resolveAlias(deps, alias)
    return { room_id: room, servers }
  },
})

export const putAlias = endpoint({
  method: 'PUT',
  path,
  auth: 'user',
  limit: 'write',
  suspended: false,
  params,
  body: v.object({ room_id: roomId }),
  async handle({ deps, requester, params: { roomAlias: alias }, body: { room_id: room } }) {
    await createAlias(deps, requester, alias, room)
    return {}
  },
})

export const removeAlias = endpoint({
  method: 'DELETE',
  path,
  auth: 'user',
  limit: 'write',
  suspended: false,
  params,
  async handle({ deps, requester, params: { roomAlias: alias } }) {
    await deleteAlias(deps, requester, alias)
    return {}
  },
})

export const roomAliases = endpoint({
  method: 'GET',
  path: '/_matrix/client/v3/rooms/:roomId/aliases',
  auth: 'user',
  limit: 'read',
  params: v.object({ roomId }),
  async handle({ deps, requester, params: { roomId: room } }) {
    return { aliases: await listAliases(deps, requester, room) }
  },
})

export const endpoints = [getAlias, putAlias, removeAlias, roomAliases]
