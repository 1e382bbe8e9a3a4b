import * as v from 'valibot'
import { serveEvent } from '../../rooms/serve-server.ts'
import { endpoint } from '../endpoint.ts'
import { eventId } from '../schemas.ts'
import { asTransaction } from './pdus.ts'

/** One event (server-server API, `GET /event`). */
export const event = endpoint({
  method: 'GET',
  path: '/_matrix/federation/v1/event/:eventId',
  auth: 'server',
  limit: 'federation',
  params: v.object({ eventId }),
  handle: async ({ deps, requester, params }) =>
    asTransaction(deps, [await serveEvent(deps, requester.origin, params.eventId)]),
})

export const endpoints = [event]
