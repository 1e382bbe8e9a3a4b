import { AuthState } from '../../../src/protocol/auth/state.ts'
import type { RoomEvent } from '../../../src/protocol/event.ts'
import type { EventId, RoomId, UserId } from '../../../src/protocol/ids.ts'
import type { Json, JsonObject } from '../../../src/protocol/json-types.ts'
import type { RoomVersion } from '../../../src/protocol/room-version.ts'
import { roomVersions } from '../../../src/protocol/room-version.ts'

export const creator = '@creator:a.test'
export const mod = '@mod:a.test'
export const alice = '@alice:a.test'
export const bob = '@bob:b.test'

/** An event as tests write it down. */
export interface Draft {
  readonly type: string
  readonly sender?: string
  readonly stateKey?: string
  readonly content?: JsonObject
  readonly prev?: readonly string[]
  readonly auth?: readonly string[]
  readonly room?: string
  readonly id?: string
  readonly ts?: number
  readonly depth?: number
  readonly redacts?: string
  /** More members of the PDU itself. */
  readonly pdu?: JsonObject
}

let count = 0

export function versionOf(id: string): RoomVersion {
  const version = roomVersions.get(id)
  if (version === undefined) throw new Error(`no room version ${id}`)
  return version
}

export function makeEvent(version: RoomVersion, draft: Draft): RoomEvent {
  const content = draft.content ?? {}
  const sender = draft.sender ?? creator
  return {
    eventId: (draft.id ?? `$event${count++}:${sender.slice(sender.indexOf(':') + 1)}`) as EventId,
    roomId: (draft.room ?? '!room:a.test') as RoomId,
    version,
    type: draft.type,
    stateKey: draft.stateKey,
    sender: sender as UserId,
    content,
    originServerTs: draft.ts ?? 0,
    depth: draft.depth ?? 1,
    prevEventIds: (draft.prev ?? ['$before:a.test']) as EventId[],
    authEventIds: (draft.auth ?? []) as EventId[],
    redacts: draft.redacts as EventId | undefined,
    pdu: { type: draft.type, sender, content, ...draft.pdu },
    text: '',
  }
}

export function makeCreate(version: RoomVersion, content: JsonObject = {}): RoomEvent {
  return makeEvent(version, {
    type: 'm.room.create',
    stateKey: '',
    sender: creator,
    id: '$create:a.test',
    prev: [],
    content: { room_version: version.id, ...(!version.creatorIsSender && { creator }), ...content },
  })
}

export function makeMember(
  version: RoomVersion,
  user: string,
  membership: string,
  draft: Partial<Draft> = {},
): RoomEvent {
  const { content, ...rest } = draft
  return makeEvent(version, {
    type: 'm.room.member',
    stateKey: user,
    sender: user,
    content: { membership, ...content },
    ...rest,
  })
}

/** The state that an event is checked against, as tests write it down. */
export interface Scene {
  readonly create?: JsonObject
  /** Content of `m.room.power_levels`; null for a room without. */
  readonly power?: JsonObject | null
  readonly joinRule?: string
  readonly members?: { readonly [user: string]: string }
  readonly more?: readonly Draft[]
}

/** The usual levels: the creator (before version 12) has 100, the moderator 50. */
export function usualPower(version: RoomVersion, more: { [key: string]: Json } = {}): JsonObject {
  return { users: { ...(!version.privilegedCreators && { [creator]: 100 }), [mod]: 50 }, ...more }
}

export function makeState(version: RoomVersion, scene: Scene): AuthState {
  const members = { [creator]: 'join', [mod]: 'join', [alice]: 'join', ...scene.members }
  const events = [
    makeCreate(version, scene.create),
    ...(scene.power === null
      ? []
      : [
          makeEvent(version, {
            type: 'm.room.power_levels',
            stateKey: '',
            content: scene.power ?? usualPower(version),
          }),
        ]),
    ...(scene.joinRule === undefined
      ? []
      : [makeEvent(version, { type: 'm.room.join_rules', stateKey: '', content: { join_rule: scene.joinRule } })]),
    ...Object.entries(members).map(([user, membership]) => makeMember(version, user, membership)),
    ...(scene.more ?? []).map((draft) => makeEvent(version, draft)),
  ]
  const state = AuthState.of(events)
  if (state === undefined) throw new Error('no create event')
  return state
}
