import * as v from 'valibot'
import { isJsonObject, memberOf } from '../../protocol/json.ts'
import type { Json, JsonObject } from '../../protocol/json-types.ts'
import { acceptInvite } from '../../rooms/accept-invite.ts'
import { endpoint } from '../endpoint.ts'
import { jsonReply } from '../reply.ts'
import { eventId, jsonObject, roomId } from '../schemas.ts'

const params = v.object({ roomId, eventId })
const isArray = (value: unknown) => Array.isArray(value)
// as unknown: valibot would follow the type of JSON without end
const jsonArray = v.custom<readonly unknown[]>(isArray, 'not an array')

export const invite = endpoint({
  method: 'PUT',
  path: '/_matrix/federation/v2/invite/:roomId/:eventId',
  auth: 'server',
  limit: 'federation',
  params,
  body: v.object({ room_version: v.string(), event: jsonObject, invite_room_state: v.optional(jsonArray, []) }),
  async handle({ deps, requester: { origin }, params: path, body }) {
    const { room_version: roomVersion, event: pdu } = body
    const inviteRoomState = body.invite_room_state as readonly Json[]
    return { event: await acceptInvite(deps, { origin, ...path, pdu, roomVersion, inviteRoomState }) }
  },
})

/** Version 1 of the endpoint knows only room versions 1 and 2, which have the same event format. */
export const inviteV1 = endpoint({
  method: 'PUT',
  path: '/_matrix/federation/v1/invite/:roomId/:eventId',
  auth: 'server',
  limit: 'federation',
  params,
  body: jsonObject,
  async handle({ deps, requester: { origin }, params: path, body: pdu }) {
    const handed = { origin, ...path, pdu, roomVersion: '1', inviteRoomState: stateIn(pdu) }
    return jsonReply([200, { event: await acceptInvite(deps, handed) }])
  },
})

function stateIn(pdu: JsonObject): readonly Json[] {
  const unsigned = memberOf(pdu, 'unsigned')
  const state = isJsonObject(unsigned) ? memberOf(unsigned, 'invite_room_state') : undefined
  return Array.isArray(state) ? (state as readonly Json[]) : []
}

export const endpoints = [invite, inviteV1]
