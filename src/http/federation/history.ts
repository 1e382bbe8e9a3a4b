import * as v from 'valibot'
import { serveBackfill, serveMissingEvents } from '../../rooms/serve-server.ts'
import { endpoint } from '../endpoint.ts'
import { eventId, integerParam, repeated, roomId } from '../schemas.ts'
import { asTransaction, raw } from './pdus.ts'

const mostBackfilled = 100
const mostMissing = 20
/** More starting points than an event can have predecessors make no sense. */
const mostNamed = 100

/** Older events (server-server API, "Backfilling and retrieving missing events"). */
export const backfill = endpoint({
  method: 'GET',
  path: '/_matrix/federation/v1/backfill/:roomId',
  auth: 'server',
  limit: 'federation',
  params: v.object({ roomId }),
  query: v.object({ v: repeated(eventId), limit: integerParam({ least: 1, most: mostBackfilled }) }),
  async handle({ deps, requester, params, query }) {
    const from = query.v.slice(0, mostNamed)
    return asTransaction(deps, await serveBackfill(deps, requester.origin, params.roomId, from, query.limit))
  },
})

const named = v.pipe(v.array(eventId), v.maxLength(mostNamed))
const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0))

/** Events that a server missed. */
export const missingEvents = endpoint({
  method: 'POST',
  path: '/_matrix/federation/v1/get_missing_events/:roomId',
  auth: 'server',
  limit: 'federation',
  params: v.object({ roomId }),
  body: v.object({
    earliest_events: named,
    latest_events: named,
    limit: v.optional(count, 10),
    min_depth: v.optional(count, 0),
  }),
  async handle({ deps, requester, params, body }) {
    const asked = {
      earliest: body.earliest_events,
      latest: body.latest_events,
      limit: Math.min(body.limit, mostMissing),
      minDepth: body.min_depth,
    }
    return { events: raw(await serveMissingEvents(deps, requester.origin, params.roomId, asked)) }
  },
})

export const endpoints = [backfill, missingEvents]
