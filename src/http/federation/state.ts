import * as v from 'valibot'
import { serveAuthChain, serveState, serveStateIds } from '../../rooms/serve-server.ts'
import { endpoint } from '../endpoint.ts'
import { eventId, roomId } from '../schemas.ts'
import { raw } from './pdus.ts'

const query = v.object({ event_id: eventId })

/** A room's state before an event (server-server API, `GET /state`). */
export const state = endpoint({
  method: 'GET',
  path: '/_matrix/federation/v1/state/:roomId',
  auth: 'server',
  limit: 'federation',
  params: v.object({ roomId }),
  query,
  async handle({ deps, requester, params, query: { event_id: at } }) {
    const { pdus, authChain } = await serveState(deps, requester.origin, params.roomId, at)
    return { auth_chain: raw(authChain), pdus: raw(pdus) }
  },
})

/** As `state`, ids only. */
export const stateIds = endpoint({
  method: 'GET',
  path: '/_matrix/federation/v1/state_ids/:roomId',
  auth: 'server',
  limit: 'federation',
  params: v.object({ roomId }),
  query,
  async handle({ deps, requester, params, query: { event_id: at } }) {
    const { pduIds, authChainIds } = await serveStateIds(deps, requester.origin, params.roomId, at)
    return { auth_chain_ids: authChainIds, pdu_ids: pduIds }
  },
})

/** The auth chain of an event. */
export const eventAuth = endpoint({
  method: 'GET',
  path: '/_matrix/federation/v1/event_auth/:roomId/:eventId',
  auth: 'server',
  limit: 'federation',
  params: v.object({ roomId, eventId }),
  async handle({ deps, requester, params }) {
    return { auth_chain: raw(await serveAuthChain(deps, requester.origin, params.roomId, params.eventId)) }
  },
})

export const endpoints = [state, stateIds, eventAuth]
