import * as v from 'valibot'
import { acceptLeave } from '../../rooms/accept-membership.ts'
import { makeTemplate } from '../../rooms/make-template.ts'
import { endpoint } from '../endpoint.ts'
import { jsonReply } from '../reply.ts'
import { eventId, jsonObject, roomId, userId } from '../schemas.ts'

const sendParams = v.object({ roomId, eventId })

export const makeLeave = endpoint({
  method: 'GET',
  path: '/_matrix/federation/v1/make_leave/:roomId/:userId',
  auth: 'server',
  limit: 'federation',
  params: v.object({ roomId, userId }),
  async handle({ deps, requester: { origin }, params }) {
    return makeTemplate(deps, { origin, ...params, membership: 'leave' })
  },
})

export const sendLeave = endpoint({
  method: 'PUT',
  path: '/_matrix/federation/v2/send_leave/:roomId/:eventId',
  auth: 'server',
  limit: 'federation',
  params: sendParams,
  body: jsonObject,
  async handle({ deps, requester: { origin }, params, body: pdu }) {
    await acceptLeave(deps, { origin, ...params, pdu })
    return {}
  },
})

export const sendLeaveV1 = endpoint({
  method: 'PUT',
  path: '/_matrix/federation/v1/send_leave/:roomId/:eventId',
  auth: 'server',
  limit: 'federation',
  params: sendParams,
  body: jsonObject,
  async handle({ deps, requester: { origin }, params, body: pdu }) {
    await acceptLeave(deps, { origin, ...params, pdu })
    return jsonReply([200, {}])
  },
})

export const endpoints = [makeLeave, sendLeave, sendLeaveV1]
