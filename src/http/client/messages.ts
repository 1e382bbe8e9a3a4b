import * as v from 'valibot'
import { positionOf } from '../../delivery/position.ts'
import { parseRoomEventFilter } from '../../protocol/filter.ts'
import type { RoomEventFilter } from '../../protocol/filter.ts'
import { parseJson } from '../../protocol/json.ts'
import { backfill } from '../../rooms/backfill.ts'
import { readContext, readPage, newestOrd, oldestOrd } from '../../rooms/timeline.ts'
import type { RenderedEvent } from '../../rooms/read-events.ts'
import { viewerOf } from '../../rooms/viewer.ts'
import { RawJson } from '../../util/raw-json.ts'
import { endpoint } from '../endpoint.ts'
import { eventId, firstOf, integerParam, roomId } from '../schemas.ts'

/** Rendered events as JSON that is text already. */
export function rawEvents(events: readonly RenderedEvent[]): RawJson {
  return RawJson.listOf(events.map(({ text }) => text))
}

/** What most pages are asked with. */
const everything = parseRoomEventFilter({})

const filterParam = v.optional(
  v.pipe(
    firstOf,
    v.transform((text): RoomEventFilter =>
      text === '{}' ? everything : parseRoomEventFilter(parseJson(text, { mode: 'lenient' })),
    ),
  ),
  '{}',
)

/** How long a page waits for other servers when it runs into the end of what is stored. */
const backfillMs = 10_000

export const messages = endpoint({
  method: 'GET',
  path: '/_matrix/client/v3/rooms/:roomId/messages',
  auth: 'user',
  limit: 'read',
  guests: true,
  params: v.object({ roomId }),
  query: v.object({
    from: v.optional(firstOf),
    to: v.optional(firstOf),
    dir: v.picklist(['b', 'f'], 'neither b nor f'),
    limit: v.optional(integerParam({ least: 1, most: 1_000 }), '10'),
    filter: filterParam,
  }),
  async handle({ deps, requester, params, query }) {
    const read = () =>
      deps.database.snapshot((conn) =>
        readPage(deps, conn, viewerOf(requester), params.roomId, async (room) => ({
          direction: query.dir,
          from:
            query.from === undefined
              ? query.dir === 'b'
                ? newestOrd
                : oldestOrd
              : await positionOf(conn, room, query.from),
          to: query.to === undefined ? undefined : await positionOf(conn, room, query.to),
          limit: query.limit,
          filter: query.filter,
        })),
      )
    let page = await read()
    if (page.isShort && (await backfill(deps, page.room, { limit: query.limit, deadlineMs: backfillMs })))
      page = await read()
    return {
      chunk: rawEvents(page.chunk),
      start: query.from ?? page.start,
      ...(page.end === undefined ? {} : { end: page.end }),
      ...(page.state.length === 0 ? {} : { state: rawEvents(page.state) }),
    }
  },
})

export const context = endpoint({
  method: 'GET',
  path: '/_matrix/client/v3/rooms/:roomId/context/:eventId',
  auth: 'user',
  limit: 'read',
  guests: true,
  params: v.object({ roomId, eventId }),
  query: v.object({ limit: v.optional(integerParam({ least: 0, most: 100 }), '10'), filter: filterParam }),
  async handle({ deps, requester, params, query }) {
    const found = await deps.database.snapshot((conn) =>
      readContext(deps, conn, viewerOf(requester), params.roomId, params.eventId, query),
    )
    return {
      event: new RawJson(found.event.text),
      events_before: rawEvents(found.before),
      events_after: rawEvents(found.after),
      state: rawEvents(found.state),
      start: found.start,
      end: found.end,
    }
  },
})

export const endpoints = [messages, context]
