import { MatrixError } from '../protocol/errors.ts'
import type { RoomEvent } from '../protocol/event.ts'
import type { RoomId, ServerName } from '../protocol/ids.ts'
import type { Json } from '../protocol/json-types.ts'
import type { RoomVersion } from '../protocol/room-version.ts'
import { listKnownEvents } from '../store/events.ts'
import { room as roomLock } from '../store/locks.ts'
import { putRoomVersion } from '../store/rooms.ts'
import { withRetries } from '../store/retries.ts'
import type { AppendDeps } from './append.ts'
import { append } from './append.ts'
import { authStateAt } from './auth-state.ts'
import { checkStateBefore } from './checks/state-before.ts'
import type { RoomsDeps } from './deps.ts'
import type { FetchDeps } from './fetch.ts'
import { checkShaped, shapedEvents, stateOfIds } from './fetch.ts'
import type { GivenState } from './live.ts'
import { insertEmptyRoom } from './new-room.ts'
import { storeOutliers } from './outliers.ts'
import { putGroupOfMap } from './resolve.ts'
import type { Room } from './room.ts'

/** What the server that let us in answered to `send_join`. */
export interface RemoteRoom {
  readonly version: RoomVersion
  readonly roomId: RoomId
  readonly origin: ServerName
  readonly stateEvents: readonly Json[]
  readonly authChain: readonly Json[]
  /** Our own join, as it was sent (in a restricted room with the other server's signature). */
  readonly joinEvent: RoomEvent
}

const mostTries = 5

type InstallDeps = AppendDeps & FetchDeps & Pick<RoomsDeps, 'failpoint'>

/**
 * Makes a room of the answer to `send_join`: its state and auth chain go through the gate as outliers, batch by batch,
 * then the join is judged against that state and becomes the newest event. A room that was left before goes on with a gap.
 * Throws a 502 `MatrixError` where the answer does not carry the join.
 */
export async function installRemoteRoom(deps: InstallDeps, remote: RemoteRoom): Promise<Room> {
  const room = await knownOrEmpty(deps, remote)
  deps.failpoint?.('join:remote:empty')
  const stateEvents = shapedEvents(room, remote.stateEvents)
  await storeOutliers(deps, room, await checkShaped(deps, [...shapedEvents(room, remote.authChain), ...stateEvents]))
  deps.failpoint?.('join:remote:outliers')
  const stateIds = stateEvents.map(({ eventId }) => eventId)
  const state = await stateOfIds(deps, room, stateIds).catch(() => {
    throw bad('The state of the room that was answered has no create event')
  })
  return appendJoin(deps, remote, state)
}

function bad(message: string): MatrixError {
  return new MatrixError('M_UNKNOWN', message, {}, 502)
}

async function knownOrEmpty(deps: AppendDeps & FetchDeps, { roomId, version }: RemoteRoom): Promise<Room> {
  const known = await deps.database.read((conn) => deps.roomCache.find(conn, roomId))
  if (known !== undefined && (known.version === version || known.currentGroup !== 0)) return known
  if (known !== undefined) return withVersion(deps, known, version)
  return deps.database.write(
    async (tx) => (await deps.roomCache.find(tx, roomId)) ?? (await insertEmptyRoom(tx, roomId, version)),
  )
}

/** A room that was known only by an invite: what the invite said of its version counts for nothing. */
function withVersion(deps: AppendDeps & FetchDeps, { nid, id }: Room, version: RoomVersion): Promise<Room> {
  return deps.database.write(
    async (tx) => {
      await putRoomVersion(tx, nid, version.id)
      const room = { ...(await deps.roomCache.forWrite(tx, id)), version }
      deps.roomCache.put(tx, room)
      return room
    },
    { locks: [roomLock(nid)] },
  )
}

function appendJoin(deps: AppendDeps & FetchDeps, { roomId, joinEvent }: RemoteRoom, state: GivenState): Promise<Room> {
  return withRetries(mostTries, async () => {
    const { nid } = await deps.database.read((conn) => deps.roomCache.get(conn, roomId))
    return deps.database.write(
      async (tx) => {
        const room = await deps.roomCache.forWrite(tx, roomId)
        const known = await listKnownEvents(tx, [
          joinEvent.eventId,
          ...joinEvent.authEventIds,
          ...joinEvent.prevEventIds,
        ])
        const self = known.get(joinEvent.eventId)
        if (self !== undefined && !self.outlier) return room
        const before = await putGroupOfMap(deps, tx, room, state, [room.currentGroup].filter(Boolean))
        const refusal = checkStateBefore(joinEvent, await authStateAt(deps, tx, room, before, joinEvent))
        if (refusal !== undefined)
          throw bad(`The state of the room that was answered does not allow the join: ${refusal}`)
        const auth = joinEvent.authEventIds.map((id) => known.get(id))
        // an event of another room here would let its reader walk into that room
        if (auth.some((row) => row === undefined || row.rejected !== null || row.roomNid !== room.nid))
          throw bad('The auth chain that was answered is not complete')
        const appended = await append(tx, deps, room, {
          event: joinEvent,
          isLocal: false,
          endsAll: true,
          senderNid: await deps.roomCache.putUser(tx, joinEvent.sender),
          authNids: auth.map((row) => row?.eventNid as number),
          before,
          arrival: 'live',
          outlier: self,
          missing: joinEvent.prevEventIds.filter((id) => {
            const row = known.get(id)
            return row === undefined || row.outlier || row.roomNid !== room.nid
          }),
        })
        return appended.room
      },
      { locks: [roomLock(nid)] },
    )
  })
}
