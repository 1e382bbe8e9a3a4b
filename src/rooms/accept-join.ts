import { MatrixError } from '../protocol/errors.ts'
import { isRefusal } from '../protocol/event-refusal.ts'
import type { RoomEvent } from '../protocol/event.ts'
import type { ServerName } from '../protocol/ids.ts'
import { parseUserId, serverNameOf } from '../protocol/ids.ts'
import { parseEvent } from '../protocol/parse-event.ts'
import { cosignEvent } from '../protocol/sign.ts'
import { findEventById } from '../store/events.ts'
import { listServerNames } from '../store/servers.ts'
import { RawJson } from '../util/raw-json.ts'
import { authChainOf } from './auth-chain.ts'
import { mayAuthorise, needsAuthoriser } from './authoriser.ts'
import type { RoomsDeps } from './deps.ts'
import type { Handed } from './handshake.ts'
import { admit, checkHanded } from './handshake.ts'
import { assertMeetsCondition, openRoom } from './make-template.ts'
import { readStateForServer } from './read-for-server.ts'
import type { Room } from './room.ts'
import { stateAtEvent } from './state.ts'

/** The answer to `send_join`: stored events go out as they are, never parsed. */
export interface JoinedAnswer {
  readonly origin: ServerName
  readonly state: readonly RawJson[]
  readonly auth_chain: readonly RawJson[]
  readonly event: RawJson
  readonly members_omitted: false
  readonly servers_in_room: readonly ServerName[]
}

/**
 * Takes the join that another server built (server-server API, `send_join`) into the room and tells it the state before
 * the join. In a restricted room our signature is added, when a user of ours was named who may let others in, and only
 * after every check. Throws `M_NOT_FOUND`, `M_FORBIDDEN`, `M_INVALID_PARAM`, `M_UNABLE_TO_AUTHORISE_JOIN`.
 */
export async function acceptJoin(deps: RoomsDeps, handed: Handed): Promise<JoinedAnswer> {
  const { origin, roomId } = handed
  const room = await deps.database.read((conn) => openRoom(conn, deps, roomId, origin))
  const event = await checkHanded(deps, room.version, handed, 'join')
  const signed = await withOurSignature(deps, room, event)
  await admit(deps, 'send_join', origin, signed)
  return answerOf(deps, room, signed)
}

async function withOurSignature(deps: RoomsDeps, room: Room, event: RoomEvent): Promise<RoomEvent> {
  const authoriser = room.version.restrictedJoins
    ? parseUserId(event.content.join_authorised_via_users_server)
    : undefined
  // another server's authoriser has to have signed already; the gate looks at that
  if (authoriser === undefined || serverNameOf(authoriser) !== deps.serverName) return event
  await deps.database.read(async (conn) => {
    const current = await deps.roomCache.get(conn, room.id)
    if (await needsAuthoriser(conn, deps, current, event.sender))
      await assertMeetsCondition(conn, deps, current, event.sender)
    if (!(await mayAuthorise(conn, deps, current, authoriser)))
      throw new MatrixError('M_FORBIDDEN', 'The user named may not let anybody in')
  })
  const pdu = cosignEvent(room.version, event.pdu, deps.serverName, deps.signingKey)
  const signed = parseEvent(room.version, pdu)
  if (isRefusal(signed)) throw signed.toError()
  return signed
}

async function answerOf(deps: RoomsDeps, room: Room, event: RoomEvent): Promise<JoinedAnswer> {
  return deps.database.snapshot(async (conn) => {
    const row = await findEventById(conn, event.eventId)
    if (row === undefined) throw new Error('a join that was accepted is not stored')
    const state = [...(await stateAtEvent(deps, conn, row, 'before')).values()]
    const chain = await authChainOf(deps, conn, [...state, row.event_nid])
    const { hosts } = await deps.roomCache.get(conn, room.id)
    const names = await listServerNames(conn, hosts)
    const raw = async (nids: readonly number[]) =>
      (await readStateForServer(deps, conn, room, nids)).map((text) => new RawJson(text))
    return {
      origin: deps.serverName,
      state: await raw(state),
      auth_chain: await raw(chain),
      event: new RawJson(event.text),
      members_omitted: false,
      servers_in_room: [deps.serverName, ...names.values()],
    }
  })
}
