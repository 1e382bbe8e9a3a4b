import * as v from 'valibot'
import { acceptKnock } from '../../rooms/accept-membership.ts'
import { makeTemplate } from '../../rooms/make-template.ts'
import { RawJson } from '../../util/raw-json.ts'
import { endpoint } from '../endpoint.ts'
import { eventId, jsonObject, repeated, roomId, userId } from '../schemas.ts'

export const makeKnock = endpoint({
  method: 'GET',
  path: '/_matrix/federation/v1/make_knock/:roomId/:userId',
  auth: 'server',
  limit: 'federation',
  params: v.object({ roomId, userId }),
  query: v.object({ ver: repeated(v.string()) }),
  async handle({ deps, requester: { origin }, params, query: { ver: versions } }) {
    return makeTemplate(deps, { origin, ...params, membership: 'knock', versions })
  },
})

export const sendKnock = endpoint({
  method: 'PUT',
  path: '/_matrix/federation/v1/send_knock/:roomId/:eventId',
  auth: 'server',
  limit: 'federation',
  params: v.object({ roomId, eventId }),
  body: jsonObject,
  async handle({ deps, requester: { origin }, params, body: pdu }) {
    const state = await acceptKnock(deps, { origin, ...params, pdu })
    return { knock_room_state: state.map(({ text }) => new RawJson(text)) }
  },
})

export const endpoints = [makeKnock, sendKnock]
