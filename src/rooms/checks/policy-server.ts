import type { Refusal } from '../../protocol/auth/state.ts'
import type { RoomEvent } from '../../protocol/event.ts'
import { parseServerName } from '../../protocol/ids.ts'
import { isJsonObject, memberOf } from '../../protocol/json.ts'
import { isPublicKey, verifyEventSignature } from '../../protocol/sign.ts'
import type { Conn } from '../../store/database.ts'
import { isHostJoined } from '../../store/room-hosts.ts'
import { findServerNid } from '../../store/servers.ts'
import type { RoomsDeps } from '../deps.ts'
import type { Room } from '../room.ts'

const keyId = 'ed25519:policy_server'

/**
 * Check 7 on receipt of a PDU: signed by the room's policy server, where the room uses one, else it is soft-failed
 * (server-server API, "Validating Policy Server signatures"). NOTSPEC: the policy server is not asked for a signature
 * that is missing; the sender's server has to have asked.
 */
export async function checkPolicyServer(
  deps: Pick<RoomsDeps, 'roomCache'>,
  conn: Conn,
  room: Room,
  event: RoomEvent,
): Promise<Refusal> {
  if (event.type === 'm.room.policy' && event.stateKey === '') return undefined
  const policy = await deps.roomCache.stateEvent(conn, room, 'm.room.policy', '')
  const via = parseServerName(policy?.content.via)
  const keys = policy?.content.public_keys
  const key = isJsonObject(keys) ? memberOf(keys, 'ed25519') : undefined
  if (via === undefined || typeof key !== 'string') return undefined
  const serverNid = await findServerNid(conn, via)
  if (serverNid === undefined || !(await isHostJoined(conn, room.nid, serverNid))) return undefined
  const isSigned = isPublicKey(key) && verifyEventSignature(event, via, keyId, key)
  return isSigned ? undefined : "not signed by the room's policy server"
}
