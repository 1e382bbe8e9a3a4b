import * as v from 'valibot'
import type { Requester } from '../../accounts/requester.ts'
import { redact } from '../../rooms/redact.ts'
import { sendMessage } from '../../rooms/send-message.ts'
import { writeState } from '../../rooms/write-state.ts'
import { endpoint } from '../endpoint.ts'
import { eventId, integerParam, jsonObject, roomId } from '../schemas.ts'

const query = v.object({ ts: v.optional(integerParam()) })

/** Only application services say when something happened (application service API, "Timestamp massaging"). */
function timeFor({ kind }: Requester, ts: number | undefined): number | undefined {
  return kind === 'appservice' ? ts : undefined
}

export const send = endpoint({
  method: 'PUT',
  path: '/_matrix/client/v3/rooms/:roomId/send/:eventType/:txnId',
  auth: 'user',
  limit: 'write',
  guests: true,
  suspended: false,
  tellsOwnWrite: true,
  params: v.object({ roomId, eventType: v.string(), txnId: v.string() }),
  query,
  body: jsonObject,
  async handle({ deps, requester, params, query: { ts }, body: content }) {
    const { eventType: type, txnId } = params
    const transaction = { deviceId: requester.deviceId, txnId }
    const request = { roomId: params.roomId, type, content, transaction, ts: timeFor(requester, ts) }
    return { event_id: await sendMessage(deps, requester, request) }
  },
})

const statePath = '/_matrix/client/v3/rooms/:roomId/state/:eventType'

export const putState = endpoint({
  method: 'PUT',
  path: `${statePath}/:stateKey`,
  // an empty state key, with and without the slash
  aliases: [statePath, `${statePath}/`],
  auth: 'user',
  limit: 'write',
  guests: true,
  suspended: false,
  params: v.object({ roomId, eventType: v.string(), stateKey: v.optional(v.string(), '') }),
  query,
  body: jsonObject,
  async handle({ deps, requester, params, query: { ts }, body: content }) {
    const { eventType: type, stateKey } = params
    const request = { roomId: params.roomId, type, stateKey, content, ts: timeFor(requester, ts) }
    return { event_id: await writeState(deps, requester, request) }
  },
})

export const redactEvent = endpoint({
  method: 'PUT',
  path: '/_matrix/client/v3/rooms/:roomId/redact/:eventId/:txnId',
  auth: 'user',
  limit: 'write',
  params: v.object({ roomId, eventId, txnId: v.string() }),
  query,
  body: v.object({ reason: v.optional(v.string()) }),
  async handle({ deps, requester, params, query: { ts }, body: { reason } }) {
    const transaction = { deviceId: requester.deviceId, txnId: params.txnId }
    const request = { roomId: params.roomId, redacts: params.eventId, reason, transaction, ts: timeFor(requester, ts) }
    return { event_id: await redact(deps, requester, request) }
  },
})

export const endpoints = [send, putState, redactEvent]
