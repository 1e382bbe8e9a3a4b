import { MatrixError } from '../protocol/errors.ts'
import type { RoomId, UserId } from '../protocol/ids.ts'
import { serverNameOf } from '../protocol/ids.ts'
import type { Tx } from '../store/database.ts'
import { user as userLock } from '../store/locks.ts'
import { insertRoomAlias } from '../store/room-aliases.ts'
import { putRoomPublished } from '../store/rooms.ts'
import { assertMayMakeAliases } from './alias-creation.ts'
import type { Actor } from './actor.ts'
import type { AppendResult } from './append.ts'
import { appendLocal } from './append-local.ts'
import type { CreateRequest, RoomPlan } from './create-plan.ts'
import { planRoom } from './create-plan.ts'
import type { RoomsDeps } from './deps.ts'
import { inviteRemotely } from './invite-remote.ts'
import { assertInvitable } from './invitee.ts'
import { appendMember } from './member-append.ts'
import { memberContent } from './member-content.ts'
import { startRoom } from './new-room.ts'
import type { Room } from './room.ts'
import type { LocalDeps } from './append-local.ts'

/** How long the creator waits for the servers of those invited. */
const patienceMs = 20_000
const maxInvites = 500

/**
 * Makes a room (client-server API, `createRoom`): all that is local in one write; users of other servers are invited
 * afterwards, and a server that does not take an invite leaves the room without it. Gives the room's id. Throws
 * `M_ROOM_IN_USE`, `M_UNSUPPORTED_ROOM_VERSION`, `M_INVALID_ROOM_STATE`, `M_BAD_JSON`, `M_INVALID_PARAM`, `M_FORBIDDEN`,
 * `M_INVITE_BLOCKED`, `M_NOT_FOUND` for a user of this server that does not exist.
 */
export async function createRoom(
  deps: RoomsDeps,
  actor: Actor & { readonly admin: boolean },
  request: CreateRequest,
): Promise<RoomId> {
  const { serverName, config } = deps
  const invitees = [...new Set(request.invite ?? [])].filter((userId) => userId !== actor.userId)
  if (invitees.length > maxInvites) throw new MatrixError('M_BAD_JSON', 'Too many users are invited at once')
  const invite = { ...request, invite: invitees }
  const plan = planRoom(invite, { creator: actor.userId, serverName, defaultVersion: config.rooms.defaultVersion })
  if (plan.alias !== undefined) assertMayMakeAliases(config, actor)
  const isLocal = (userId: UserId) => serverNameOf(userId) === serverName
  const room = await deps.database.write(
    async (tx) => {
      let made = await makeRoom(tx, deps, plan)
      await takeAlias(tx, deps, plan, made, actor)
      for (const target of invitees.filter(isLocal)) {
        await assertInvitable(tx, target)
        const draft = { sender: actor.userId, target, membership: 'invite', isDirect: request.isDirect } as const
        ;({ room: made } = await asRoomState(() => appendMember(tx, deps, made, draft)))
      }
      return made
    },
    { locks: [userLock(actor.userNid)] },
  )
  await inviteOthers(
    deps,
    actor,
    room,
    invitees.filter((userId) => !isLocal(userId)),
    request.isDirect,
  )
  return room.id
}

/** Makes the room with all state of the plan, inside a write. Throws `M_INVALID_ROOM_STATE` where its own rules forbid it. */
export async function makeRoom(tx: Tx, deps: LocalDeps, plan: RoomPlan): Promise<Room> {
  const { version, creator, createContent, state } = plan
  const content = await memberContent(tx, deps, creator, 'join')
  const drafts = [{ type: 'm.room.member', stateKey: creator, content }, ...state]
  return asRoomState(async () => {
    let { room } = await startNewRoom(tx, deps, version, creator, createContent)
    for (const draft of drafts) ({ room } = await appendLocal(tx, deps, room, { ...draft, sender: creator }))
    return room
  })
}

/** From version 12 the id follows from the create event: two alike in one millisecond would be one room. */
async function startNewRoom(
  tx: Tx,
  deps: LocalDeps,
  version: RoomPlan['version'],
  creator: UserId,
  content: RoomPlan['createContent'],
): Promise<AppendResult> {
  const roomId: RoomId | undefined = version.roomIdIsCreateHash
    ? undefined
    : `!${deps.random.token(18)}:${deps.serverName}`
  for (let ts = deps.clock.now(); ; ts++) {
    try {
      return await startRoom(tx, deps, {
        version,
        roomId,
        draft: { type: 'm.room.create', stateKey: '', content, sender: creator, ts },
      })
    } catch (error) {
      if (!version.roomIdIsCreateHash || !(error instanceof MatrixError) || error.errcode !== 'M_UNKNOWN') throw error
    }
  }
}

async function asRoomState<T>(fn: () => Promise<T>): Promise<T> {
  try {
    return await fn()
  } catch (error) {
    if (!(error instanceof MatrixError) || error.errcode !== 'M_FORBIDDEN') throw error
    throw new MatrixError('M_INVALID_ROOM_STATE', `The room cannot be made like this: ${error.message}`)
  }
}

async function takeAlias(
  tx: Tx,
  deps: RoomsDeps,
  { alias, isPublished }: RoomPlan,
  room: Room,
  { userNid }: Actor,
): Promise<void> {
  if (
    alias !== undefined &&
    !(await insertRoomAlias(tx, { alias, roomId: room.id, creatorNid: userNid }, deps.clock.now()))
  )
    throw new MatrixError('M_ROOM_IN_USE', 'The room alias is taken')
  if (isPublished) await putRoomPublished(tx, room.nid, true)
}

async function inviteOthers(
  deps: RoomsDeps,
  actor: Actor,
  room: Room,
  targets: readonly UserId[],
  isDirect: boolean | undefined,
): Promise<void> {
  if (targets.length === 0) return
  const waiting = new AbortController()
  const all = Promise.all(
    targets.map((target) =>
      inviteRemotely(deps, actor, room, target, { isDirect }).catch((error: unknown) =>
        deps.log.info('an invite into a new room failed', { roomId: room.id, error }),
      ),
    ),
  ).finally(() => waiting.abort())
  await Promise.race([all, deps.clock.sleep(patienceMs, waiting.signal).catch(() => undefined)])
}
