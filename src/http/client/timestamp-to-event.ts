import * as v from 'valibot'
import { eventAtTime } from '../../rooms/event-at-time.ts'
import { viewerOf } from '../../rooms/viewer.ts'
import { endpoint } from '../endpoint.ts'
import { integerParam, roomId } from '../schemas.ts'

/** The event nearest to a time (client-server API, "Jump to date"). NOTSPEC: other servers are not asked for a nearer one. */
export const timestampToEvent = endpoint({
  method: 'GET',
  path: '/_matrix/client/v1/rooms/:roomId/timestamp_to_event',
  auth: 'user',
  limit: 'read',
  guests: true,
  params: v.object({ roomId }),
  query: v.object({ ts: integerParam(), dir: v.picklist(['f', 'b'], 'neither f nor b') }),
  async handle({ deps, requester, params, query }) {
    const found = await eventAtTime(deps, viewerOf(requester), params.roomId, query.ts, query.dir)
    return { event_id: found.eventId, origin_server_ts: found.originServerTs }
  },
})

export const endpoints = [timestampToEvent]
