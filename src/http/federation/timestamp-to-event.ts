import * as v from 'valibot'
import { serveEventAtTime } from '../../rooms/event-at-time.ts'
import { endpoint } from '../endpoint.ts'
import { integerParam, roomId } from '../schemas.ts'

/** The event nearest to a time (server-server API, `GET /timestamp_to_event`). */
export const timestampToEvent = endpoint({
  method: 'GET',
  path: '/_matrix/federation/v1/timestamp_to_event/:roomId',
  auth: 'server',
  limit: 'federation',
  params: v.object({ roomId }),
  query: v.object({ ts: integerParam(), dir: v.picklist(['f', 'b'], 'neither f nor b') }),
  async handle({ deps, requester, params, query }) {
    const found = await serveEventAtTime(deps, requester.origin, params.roomId, query.ts, query.dir)
    return { event_id: found.eventId, origin_server_ts: found.originServerTs }
  },
})

export const endpoints = [timestampToEvent]
