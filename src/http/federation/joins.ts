import * as v from 'valibot'
import { acceptJoin } from '../../rooms/accept-join.ts'
import { makeTemplate } from '../../rooms/make-template.ts'
import { endpoint } from '../endpoint.ts'
import { jsonReply } from '../reply.ts'
import { eventId, jsonObject, repeated, roomId, userId } from '../schemas.ts'

const sendParams = v.object({ roomId, eventId })

export const makeJoin = endpoint({
  method: 'GET',
  path: '/_matrix/federation/v1/make_join/:roomId/:userId',
  auth: 'server',
  limit: 'federation',
  params: v.object({ roomId, userId }),
  query: v.object({ ver: v.optional(repeated(v.string()), []) }),
  async handle({ deps, requester: { origin }, params, query: { ver } }) {
    return makeTemplate(deps, { origin, ...params, membership: 'join', versions: ver.length === 0 ? ['1'] : ver })
  },
})

// NOTSPEC: the whole state is answered also where `omit_members` asks for less, as the specification allows
export const sendJoin = endpoint({
  method: 'PUT',
  path: '/_matrix/federation/v2/send_join/:roomId/:eventId',
  auth: 'server',
  limit: 'federation',
  params: sendParams,
  body: jsonObject,
  async handle({ deps, requester: { origin }, params, body: pdu }) {
    return acceptJoin(deps, { origin, ...params, pdu })
  },
})

export const sendJoinV1 = endpoint({
  method: 'PUT',
  path: '/_matrix/federation/v1/send_join/:roomId/:eventId',
  auth: 'server',
  limit: 'federation',
  params: sendParams,
  body: jsonObject,
  async handle({ deps, requester: { origin }, params, body: pdu }) {
    return jsonReply([200, await acceptJoin(deps, { origin, ...params, pdu })])
  },
})

export const endpoints = [makeJoin, sendJoin, sendJoinV1]
