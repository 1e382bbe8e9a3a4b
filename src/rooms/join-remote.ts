import { badAnswer } from '../federation/errors.ts'
import { MatrixError } from '../protocol/errors.ts'
import type { RoomEvent } from '../protocol/event.ts'
import type { RoomId, ServerName } from '../protocol/ids.ts'
import { roomVersions } from '../protocol/room-version.ts'
import type { Actor } from './actor.ts'
import { adoptSignatures } from './adopt-signatures.ts'
import type { RoomsDeps } from './deps.ts'
import { installRemoteRoom } from './install-remote-room.ts'
import type { MemberExtras } from './member-content.ts'
import { memberContent } from './member-content.ts'
import { receive } from './receive.ts'
import { isResident } from './resident.ts'
import { assertMaySend } from './sender.ts'
import type { TemplateParts } from './template.ts'
import { buildFromTemplate, readTemplate } from './template.ts'
import { tryServers } from './try-servers.ts'

/** How long other servers are tried. */
const deadlineMs = 90_000

/**
 * Joins a local user to a room through one of these servers (server-server API, "Joining Rooms"). Throws what the
 * servers answered (403, 404, 400), or 502 and 504.
 */
export async function joinRemotely(
  deps: RoomsDeps,
  actor: Actor,
  roomId: RoomId,
  candidates: Iterable<ServerName>,
  extras: MemberExtras,
): Promise<void> {
  if (actor.kind === 'guest')
    throw new MatrixError('M_GUEST_ACCESS_FORBIDDEN', 'Guests may only join rooms of this server')
  await tryServers(deps, candidates, deadlineMs, (server) => joinThrough(deps, actor, roomId, server, extras))
}

async function joinThrough(
  deps: RoomsDeps,
  { userId }: Actor,
  roomId: RoomId,
  server: ServerName,
  extras: MemberExtras,
): Promise<void> {
  const asked = { roomId, userId, membership: 'join' } as const
  const template = await deps.federation.makeJoin(server, roomId, userId, [...roomVersions.keys()])
  const parts = readTemplate(server, template, asked)
  // nothing is signed for an account that has ended meanwhile
  const content = await deps.database.write(async (tx) => {
    await assertMaySend(tx, deps, userId, false)
    return memberContent(tx, deps, userId, 'join', extras)
  })
  const event = buildFromTemplate(deps, server, parts, asked, content)
  deps.failpoint?.('join:remote:signed')
  const answer = await deps.federation.sendJoin(server, roomId, event.eventId, event.pdu)
  deps.failpoint?.('join:remote:answered')
  const joinEvent = await signedJoin(deps, server, parts, event, answer.event)
  if (await isFollowed(deps, roomId)) return receiveJoin(deps, server, joinEvent)
  const { state: stateEvents, authChain } = answer
  await installRemoteRoom(deps, { version: parts.version, roomId, origin: server, stateEvents, authChain, joinEvent })
  deps.failpoint?.('join:remote:stored')
}

/** In a restricted room the join counts only with the signature of who let the user in. */
async function signedJoin(
  deps: RoomsDeps,
  server: ServerName,
  { authoriser }: TemplateParts,
  event: RoomEvent,
  returned: Parameters<typeof adoptSignatures>[2] | undefined,
): Promise<RoomEvent> {
  if (authoriser === undefined) return event
  if (returned === undefined) throw badAnswer(server, 'answered without the join that it had to sign')
  return adoptSignatures(deps, event, returned, server)
}

function isFollowed(deps: RoomsDeps, roomId: RoomId): Promise<boolean> {
  return deps.database.read(async (conn) => {
    const room = await deps.roomCache.find(conn, roomId)
    return room !== undefined && isResident(conn, room)
  })
}

/** In a room that this server is in already (where only another one could let the user in) the join is one more event. */
async function receiveJoin(deps: RoomsDeps, server: ServerName, { roomId, pdu }: RoomEvent): Promise<void> {
  const [verdict] = await receive(deps, { door: 'missing_events', origin: server, roomId, pdus: [pdu] })
  if (verdict?.verdict !== 'accepted' && verdict?.verdict !== 'duplicate')
    throw new MatrixError('M_FORBIDDEN', `The join is not allowed: ${verdict?.error ?? 'refused'}`)
}
