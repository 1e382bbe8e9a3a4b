import type { RoomEvent } from '../protocol/event.ts'
import type { RoomId } from '../protocol/ids.ts'
import type { JsonObject } from '../protocol/json-types.ts'
import { PowerLevels } from '../protocol/power-levels.ts'
import { evaluatePushRules } from '../protocol/push-rules.ts'
import type { CompiledPushRules } from '../protocol/push-rules.ts'
import { roomVersions } from '../protocol/room-version.ts'
import type { RoomVersion } from '../protocol/room-version.ts'

// nothing that an ordinary message shows depends on it
const anyVersion = [...roomVersions.values()].at(-1) as RoomVersion

/** A room, as far as its being muted depends on it. */
export interface MutableRoom {
  readonly id: RoomId
  readonly isEncrypted: boolean
  readonly memberCount: number
}

/**
 * Whether a user's rules keep quiet about the ordinary messages of a room. Of such a room nothing is written down for
 * each message that the user is not told of; only for those that they are.
 */
export function isMuted(rules: CompiledPushRules, room: MutableRoom): boolean {
  const powerLevels = new PowerLevels(anyVersion, new Set(), undefined)
  return (
    evaluatePushRules(rules, ordinaryMessage(room), { memberCount: room.memberCount, powerLevels })?.notify !== true
  )
}

function ordinaryMessage({ id, isEncrypted }: MutableRoom): RoomEvent {
  const type = isEncrypted ? 'm.room.encrypted' : 'm.room.message'
  const content: JsonObject = isEncrypted ? { algorithm: 'm.megolm.v1.aes-sha2' } : { msgtype: 'm.text', body: '' }
  return {
    version: anyVersion,
    eventId: '$',
    roomId: id,
    type,
    stateKey: undefined,
    sender: '@:localhost',
    content,
    depth: 1,
    originServerTs: 0,
    prevEventIds: [],
    authEventIds: [],
    redacts: undefined,
    pdu: { type, content },
    text: '',
  }
}
