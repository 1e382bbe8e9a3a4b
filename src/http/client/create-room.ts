import * as v from 'valibot'
import { MatrixError } from '../../protocol/errors.ts'
import { createRoom } from '../../rooms/create.ts'
import { endpoint } from '../endpoint.ts'
import { jsonObject, userId } from '../schemas.ts'

export const create = endpoint({
  method: 'POST',
  path: '/_matrix/client/v3/createRoom',
  auth: 'user',
  limit: 'write',
  suspended: false,
  body: v.object({
    visibility: v.optional(v.picklist(['public', 'private'])),
    room_alias_name: v.optional(v.string()),
    name: v.optional(v.string()),
    topic: v.optional(v.string()),
    invite: v.optional(v.array(userId)),
    invite_3pid: v.optional(v.array(jsonObject)),
    room_version: v.optional(v.string()),
    creation_content: v.optional(jsonObject),
    initial_state: v.optional(v.array(jsonObject)),
    preset: v.optional(v.picklist(['private_chat', 'public_chat', 'trusted_private_chat'])),
    is_direct: v.optional(v.boolean()),
    power_level_content_override: v.optional(jsonObject),
  }),
  async handle({ deps, requester, body }) {
    if (body.invite_3pid !== undefined && body.invite_3pid.length > 0)
      throw new MatrixError('M_THREEPID_DENIED', 'This server does not invite by e-mail address or phone number')
    const roomId = await createRoom(deps, requester, {
      visibility: body.visibility,
      aliasName: body.room_alias_name,
      name: body.name,
      topic: body.topic,
      invite: body.invite,
      version: body.room_version,
      creationContent: body.creation_content,
      initialState: body.initial_state,
      preset: body.preset,
      isDirect: body.is_direct,
      powerLevels: body.power_level_content_override,
    })
    return { room_id: roomId }
  },
})

export const endpoints = [create]
