import * as v from 'valibot'
import { upgradeRoom } from '../../rooms/upgrade.ts'
import { endpoint } from '../endpoint.ts'
import { roomId, userId } from '../schemas.ts'

export const upgrade = endpoint({
  method: 'POST',
  path: '/_matrix/client/v3/rooms/:roomId/upgrade',
  auth: 'user',
  limit: 'write',
  suspended: false,
  params: v.object({ roomId }),
  body: v.object({ new_version: v.string(), additional_creators: v.optional(v.array(userId), []) }),
  async handle({ deps, requester, params, body: { new_version: version, additional_creators: additionalCreators } }) {
    const replacement = await upgradeRoom(deps, requester, { roomId: params.roomId, version, additionalCreators })
    return { replacement_room: replacement }
  },
})

export const endpoints = [upgrade]
