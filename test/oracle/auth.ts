import { createOfRoom, judgeAuthEvents } from './auth-events.ts'
import { type OracleEvent, type State, type World, eventOf, has, keyOf, own, stateKey } from './event.ts'
import { domainOf, isUserId } from './identifiers.ts'
import { levelsIn } from './levels.ts'
import { judgeMember, membershipOf } from './member.ts'
import { judgePowerLevels } from './power-levels.ts'
import { type Verdict, allow, reject } from './verdict.ts'

/**
 * The authorization rules of room versions 1 to 12 as they are written, one after the other, against a given state.
 * Rule names are words, not numbers, since a rule's number changes with the room version.
 */
export function judge(world: World, event: OracleEvent, state: State): Verdict {
  if (event.type === 'm.room.create') return judgeCreate(world.version, event)
  return judgeAuthEvents(world, event) ?? judgeInState(world, event, state)
}

/**
 * The rules but for those on the event's own `auth_events`. State resolution asks these alone: an event whose auth events
 * were wrong does not come that far, and one that was rejected is left out of the state ("Rejected events").
 */
export function judgeInState(world: World, event: OracleEvent, state: State): Verdict {
  const { version } = world
  if (event.type === 'm.room.create') return judgeCreate(version, event)
  const create = state.get(stateKey('m.room.create', ''))
  if (create !== undefined && own(create.content, 'm.federate') === false) {
    if (domainOf(event.sender) !== domainOf(create.sender)) return reject('federate: other domain')
  }
  if (version <= 5 && event.type === 'm.room.aliases') {
    if (event.state_key === undefined) return reject('aliases: no state_key')
    if (domainOf(event.sender) !== event.state_key) return reject('aliases: other domain')
    return allow('aliases')
  }
  if (event.type === 'm.room.member') return judgeMember(world, event, state)
  if (membershipOf(state, event.sender) !== 'join') return reject('sender not joined')

  const levels = levelsIn(version, state)
  const power = levels.userLevel(event.sender)
  if (event.type === 'm.room.third_party_invite') {
    return power >= levels.invite ? allow('third_party_invite') : reject('third_party_invite: invite level')
  }
  if (levels.requiredLevel(event.type, event.state_key !== undefined) > power) return reject('required power level')
  if (event.state_key !== undefined && event.state_key.startsWith('@') && event.state_key !== event.sender) {
    return reject("state_key: another user's")
  }
  if (event.type === 'm.room.power_levels') return judgePowerLevels(world, event, state)
  if (version <= 2 && event.type === 'm.room.redaction') {
    if (power >= levels.redact) return allow('redaction: level')
    const domain = event.redacts === undefined ? undefined : domainOf(event.redacts)
    if (domain !== undefined && domain === domainOf(event.event_id)) return allow('redaction: same domain')
    return reject('redaction')
  }
  return allow('otherwise')
}

/** Rule 1: `m.room.create`. */
function judgeCreate(version: number, event: OracleEvent): Verdict {
  if (event.prev_events.length > 0) return reject('create: prev_events')
  if (version >= 12) {
    if (event.room_id !== undefined) return reject('create: room_id')
  } else if (domainOf(event.room_id ?? '') !== domainOf(event.sender)) {
    return reject('create: room_id')
  }
  if (has(event.content, 'room_version')) {
    const known = Array.from({ length: 12 }, (_, index) => String(index + 1))
    const named = own(event.content, 'room_version')
    if (typeof named !== 'string' || !known.includes(named)) return reject('create: room_version')
  }
  if (version <= 10 && !has(event.content, 'creator')) return reject('create: no creator')
  if (version >= 12 && has(event.content, 'additional_creators')) {
    const more = own(event.content, 'additional_creators')
    if (!Array.isArray(more)) return reject('create: additional_creators')
    if (!more.every((user) => typeof user === 'string' && isUserId(user))) return reject('create: additional_creators')
  }
  return allow('create')
}

/** The state that an event's own `auth_events` make ("authorisation rules based on the event's auth events"). */
export function stateOfAuthEvents(world: World, event: OracleEvent): State {
  const state: State = new Map()
  for (const id of event.auth_events) {
    const entry = eventOf(world, id)
    if (entry.state_key !== undefined) state.set(keyOf(entry), entry)
  }
  return withCreate(world, event, state)
}

/** In version 12 the create event is no auth event, but implied by the room's id: it is in every state of the room. */
export function withCreate(world: World, event: OracleEvent, state: State): State {
  if (world.version < 12) return state
  const create = createOfRoom(world, event)
  return create === undefined ? state : new Map(state).set(stateKey('m.room.create', ''), create)
}
