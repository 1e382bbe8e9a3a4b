import { MatrixError } from '../protocol/errors.ts'
import type { RoomAlias, RoomId, ServerName } from '../protocol/ids.ts'
import type { Json } from '../protocol/json-types.ts'
import { roomVersions } from '../protocol/room-version.ts'
import type { StrippedState } from '../protocol/stripped-state.ts'
import { strippedState } from '../protocol/stripped-state.ts'
import type { Actor } from './actor.ts'
import { listCandidates } from './candidates.ts'
import type { RoomsDeps } from './deps.ts'
import { appendMember } from './member-append.ts'
import type { MemberExtras } from './member-content.ts'
import { memberContent } from './member-content.ts'
import { putOutOfBand } from './out-of-band.ts'
import { readStripped } from './received-state.ts'
import { isResident } from './resident.ts'
import { resolveAlias } from './resolve-alias.ts'
import { assertMaySend } from './sender.ts'
import { buildFromTemplate, readTemplate } from './template.ts'
import { tryServers } from './try-servers.ts'
import { writeInRoom } from './write-in-room.ts'

/** Where a user knocks. */
export interface KnockRequest extends MemberExtras {
  readonly target: RoomId | RoomAlias
  readonly via?: readonly ServerName[] | undefined
}

const deadlineMs = 60_000

/**
 * Asks to be let into a room (client-server API, "Knocking on rooms"). Gives the room's id. Throws `M_FORBIDDEN`,
 * `M_NOT_FOUND`, `M_INCOMPATIBLE_ROOM_VERSION`, and 502 or 504.
 */
export async function knock(
  deps: RoomsDeps,
  actor: Actor,
  { target, via = [], ...extras }: KnockRequest,
): Promise<RoomId> {
  const { roomId, servers } = target.startsWith('#')
    ? await resolveAlias(deps, target as RoomAlias)
    : { roomId: target as RoomId, servers: [] }
  const room = await deps.database.read(async (conn) => {
    const known = await deps.roomCache.find(conn, roomId)
    return known !== undefined && (await isResident(conn, known)) ? known : undefined
  })
  const { userId, userNid } = actor
  if (room === undefined) await knockRemotely(deps, actor, roomId, [...via, ...servers], extras)
  else
    await writeInRoom(deps, room, [userNid], (tx, current) =>
      appendMember(tx, deps, current, { ...extras, sender: userId, target: userId, membership: 'knock' }),
    )
  return roomId
}

async function knockRemotely(
  deps: RoomsDeps,
  actor: Actor,
  roomId: RoomId,
  via: readonly ServerName[],
  extras: MemberExtras,
): Promise<void> {
  const { userId } = actor
  const asked = { roomId, userId, membership: 'knock' } as const
  const { candidates, content } = await deps.database.write(async (tx) => {
    await assertMaySend(tx, deps, userId, false)
    return {
      candidates: await listCandidates(tx, deps, actor, roomId, via),
      content: await memberContent(tx, deps, userId, 'knock', extras),
    }
  })
  const versions = [...roomVersions.values()].filter(({ knocking }) => knocking).map(({ id }) => id)
  await tryServers(deps, candidates, deadlineMs, async (server) => {
    const parts = readTemplate(server, await deps.federation.makeKnock(server, roomId, userId, versions), asked)
    const event = buildFromTemplate(deps, server, parts, asked, content)
    const state: readonly Json[] = await deps.federation.sendKnock(server, roomId, event.eventId, event.pdu)
    const stripped: StrippedState[] = [...readStripped(state), strippedState(event)]
    const noted = await deps.database.write((tx) =>
      putOutOfBand(tx, deps, {
        roomId,
        userId,
        stripped,
        version: parts.version,
        sender: userId,
        membership: 'knock',
        through: server,
      }),
    )
    if (!noted) throw new MatrixError('M_FORBIDDEN', 'You are in this room')
  })
}
