import type { ReadDeps, ReadOptions } from '../../rooms/read-options.ts'
import { nextTurn } from '../../util/next-turn.ts'
import { RawJson } from '../../util/raw-json.ts'
import type { DeliveryDeps } from '../deps.ts'
import { readAccountData } from './account-data.ts'
import type { AccountData } from './account-data.ts'
import type { SyncContext } from './context.ts'
import type { SyncAnswer, SyncRequest } from './request.ts'
import { momentOf } from './moment.ts'
import type { Moment } from './moment.ts'
import type { Asked } from './news-queue.ts'
import { readNews } from './news.ts'
import type { News } from './news.ts'
import { nearPositions, readRooms } from './sections.ts'
import type { Sections } from './sections.ts'
import { behind, isAhead } from './token.ts'

/** So long several readers are answered before others have their turn. */
const longestTurnMs = 8

/** Reads an answer, of one moment of the database. */
export function readAnswer(deps: DeliveryDeps & ReadDeps, request: SyncRequest): Promise<SyncAnswer> {
  if (request.since !== undefined && !request.fullState)
    return deps.newsQueue.ask(request, (batch) => answerTogether(deps, batch))
  return deps.wholeTurns.run(() =>
    deps.database.snapshot(async (conn) => read(deps, await momentOf(deps, conn), request, undefined)),
  )
}

/** Readers of one moment, each by themselves but for what is the same for all; gives back those it does not come to. */
async function answerTogether(deps: DeliveryDeps & ReadDeps, batch: readonly Asked[]): Promise<readonly Asked[]> {
  return deps.database.snapshot(async (conn) => {
    let turnedAt = deps.clock.monotonic()
    const moment = await momentOf(deps, conn)
    const requests = batch.map(({ request }) => request)
    const news = await readNews(deps, moment, requests, nearPositions)
    for (const [index, { request, resolve, reject }] of batch.entries()) {
      try {
        resolve(await read(deps, moment, request, news.get(request)))
      } catch (error) {
        reject(error)
        // PostgreSQL answers nothing more in this moment
        return batch.slice(index + 1)
      }
      if (deps.clock.monotonic() - turnedAt < longestTurnMs) continue
      await nextTurn()
      turnedAt = deps.clock.monotonic()
    }
    return []
  })
}

/** Written once, not with each answer. */
const ofDevices = {
  presence: new RawJson('{"events":[]}'),
  to_device: new RawJson('{"events":[]}'),
  device_lists: new RawJson('{"changed":[],"left":[]}'),
  device_one_time_keys_count: new RawJson('{}'),
  device_unused_fallback_key_types: new RawJson('[]'),
}

/** The answer to a reader for whom there is nothing new up to `next`. */
export function emptyBody(next: string): object {
  return { next_batch: next, ...ofDevices }
}

async function read(
  deps: DeliveryDeps & ReadDeps,
  moment: Moment,
  request: SyncRequest,
  news: News | undefined,
): Promise<SyncAnswer> {
  const { now, next } = moment
  const context = await makeContext(deps, moment, request, news)
  const data = await readAccountData(context)
  const rooms = await readRooms(context, data)
  const isEmpty = rooms === undefined && data.global.length === 0
  context.sent.next = next
  return {
    isEmpty,
    now,
    body: isEmpty ? emptyBody(next) : bodyOf(moment, data, rooms),
  }
}

function bodyOf({ next, bodies }: Moment, { global }: AccountData, rooms: Sections | undefined): object {
  const section = global.length === 0 && rooms !== undefined ? onlySection(rooms) : undefined
  const known = section && bodies.get(section)
  if (known !== undefined) return known
  const body = {
    next_batch: next,
    ...(global.length > 0 ? { account_data: { events: global } } : {}),
    ...(rooms === undefined ? {} : { rooms }),
    ...ofDevices,
  }
  if (section === undefined) return body
  const text = RawJson.of(body)
  bodies.set(section, text)
  return text
}

/** The section of the one room that there is something of, where that is a joined one; many readers may get the same. */
function onlySection(rooms: Sections): RawJson | undefined {
  const [only, ...others] = Object.values(rooms.join ?? {})
  return only instanceof RawJson && others.length === 0 && Object.keys(rooms).length === 1 ? only : undefined
}

async function makeContext(
  deps: DeliveryDeps & ReadDeps,
  moment: Moment,
  request: SyncRequest,
  news: News | undefined,
): Promise<SyncContext> {
  const { viewer, filter } = request
  const { conn, now, shared } = moment
  // a database that was set back knows nothing of what came after
  const isKnown = news !== undefined || (request.since !== undefined && !isAhead(request.since.vector, now.vector))
  const since = isKnown ? request.since : undefined
  const ignored = await deps.ignoredUsers.of(conn, viewer.userNid)
  const reading: ReadOptions = {
    roomId: false,
    eventFields: filter.eventFields,
    format: filter.eventFormat,
    ignored,
    shared,
  }
  return {
    deps,
    moment,
    conn,
    news,
    request,
    viewer,
    since: since?.vector,
    behind: news?.behind ?? (since === undefined ? [] : behind(since.vector, now.vector)),
    typingSince: since?.typing,
    ignored,
    sent: deps.sentMembers.of(viewer.userNid, viewer.deviceId, since === undefined ? undefined : request.sinceText),
    reading,
  }
}
