import { powerLevelsOf } from '../protocol/power-levels.ts'
import type { EventId, ServerName } from '../protocol/ids.ts'
import { serverNameOf } from '../protocol/ids.ts'
import type { Conn } from '../store/database.ts'
import { listBackwardExtremities } from '../store/extremities.ts'
import { listServerNames } from '../store/servers.ts'
import type { RoomsDeps } from './deps.ts'
import { receive } from './receive.ts'
import type { Room } from './room.ts'

const mostServers = 5
const mostStarts = 20
const mostEvents = 100

/** How much history is wanted, and how long to wait for it. */
export interface BackfillRequest {
  readonly limit: number
  readonly deadlineMs: number
  /** only history that comes before this place in the timeline */
  readonly before?: number | undefined
}

/**
 * Fetches older history of a room where ours has gaps (server-server API, "Backfilling and retrieving missing events"):
 * from servers in the room, those of its most powerful members first, until one of them gave something. Returns how many
 * events were stored; 0 also where nobody answered in time. Never throws for what other servers do.
 */
export async function backfill(deps: RoomsDeps, room: Room, request: BackfillRequest): Promise<number> {
  const until = deps.clock.monotonic() + request.deadlineMs
  const limit = Math.min(request.limit, mostEvents)
  const { starts, servers } = await deps.database.read(async (conn) => ({
    starts: await startsOf(conn, room, request.before),
    servers: await likelyServers(conn, deps, room),
  }))
  if (starts.length === 0) return 0
  for (const server of servers) {
    const leftMs = until - deps.clock.monotonic()
    if (leftMs <= 0) break
    const stored = await within(deps, leftMs, fetchFrom(deps, room, server, starts, limit))
    if (stored > 0) return stored
  }
  return 0
}

async function fetchFrom(
  deps: RoomsDeps,
  room: Room,
  server: ServerName,
  starts: readonly EventId[],
  limit: number,
): Promise<number> {
  try {
    const pdus = await deps.federation.backfill(server, room.id, starts, limit)
    const verdicts = await receive(deps, {
      door: 'backfill',
      origin: server,
      roomId: room.id,
      pdus: pdus.slice(0, 2 * limit),
    })
    return verdicts.filter(({ verdict }) => verdict === 'accepted').length
  } catch (error) {
    deps.log.info('a server gave no history', { roomId: room.id, error })
    return 0
  }
}

/** What takes longer is stored all the same, for the next reader. */
async function within(deps: RoomsDeps, ms: number, work: Promise<number>): Promise<number> {
  const waiting = new AbortController()
  const late = deps.clock.sleep(ms, waiting.signal).then(
    () => 0,
    () => 0,
  )
  try {
    return await Promise.race([work, late])
  } finally {
    waiting.abort()
  }
}

/** The missing events from which to go back, nearest to the reader first. */
async function startsOf(conn: Conn, room: Room, before = Infinity): Promise<EventId[]> {
  const gaps = (await listBackwardExtremities(conn, room.nid)).filter(({ ord }) => ord !== null && ord <= before)
  gaps.sort((a, b) => (b.ord ?? 0) - (a.ord ?? 0))
  return [...new Set(gaps.map(({ eventId }) => eventId))].slice(0, mostStarts)
}

/** Servers that are in a room, those of its most powerful members first; a few of them. */
export async function likelyServers(
  conn: Conn,
  deps: Pick<RoomsDeps, 'roomCache' | 'serverName'>,
  room: Room,
): Promise<ServerName[]> {
  const [create, levelsEvent] = await deps.roomCache.stateEvents(conn, room, [
    { type: 'm.room.create', stateKey: '' },
    { type: 'm.room.power_levels', stateKey: '' },
  ])
  const present = await listServerNames(conn, room.hosts.slice(0, 500))
  const names = new Set(present.values())
  const users = levelsEvent?.content.users
  const listed =
    typeof users === 'object' && users !== null ? Object.keys(users).filter((userId) => userId.includes(':')) : []
  const levels = create && powerLevelsOf(create, levelsEvent)
  const powerful = listed
    .sort((a, b) => (levels?.levelOf(b) ?? 0) - (levels?.levelOf(a) ?? 0))
    .map((userId) => serverNameOf(userId as `@${string}:${string}`))
  const creator = create === undefined ? [] : [serverNameOf(create.sender)]
  const ordered = [...creator, ...powerful].filter((server) => names.has(server))
  return [...new Set([...ordered, ...names])].filter((server) => server !== deps.serverName).slice(0, mostServers)
}
