import { type OracleEvent, type World, eventOf, has, keyOf, own, stateKey } from './event.ts'
import { type Verdict, reject } from './verdict.ts'

/** Server-server API, "Auth events selection": the keys of the state that an event's `auth_events` may name. */
export function authKeys(version: number, event: OracleEvent): Set<string> {
  const keys = new Set<string>()
  if (event.type === 'm.room.create') return keys
  if (version <= 11) keys.add(stateKey('m.room.create', ''))
  keys.add(stateKey('m.room.power_levels', ''))
  keys.add(stateKey('m.room.member', event.sender))
  if (event.type === 'm.room.member') {
    if (event.state_key !== undefined) keys.add(stateKey('m.room.member', event.state_key))
    const membership = own(event.content, 'membership')
    if (membership === 'join' || membership === 'invite' || membership === 'knock') {
      keys.add(stateKey('m.room.join_rules', ''))
    }
    if (membership === 'invite' && has(event.content, 'third_party_invite')) {
      const token = own(own(own(event.content, 'third_party_invite'), 'signed'), 'token')
      if (typeof token === 'string') keys.add(stateKey('m.room.third_party_invite', token))
    }
    const authoriser = own(event.content, 'join_authorised_via_users_server')
    if (membership === 'join' && version >= 8 && typeof authoriser === 'string') {
      keys.add(stateKey('m.room.member', authoriser))
    }
  }
  return keys
}

/** Rule 2 "considering the event's auth_events" (in version 12 rules 2 and 3). Undefined where nothing is wrong. */
export function judgeAuthEvents(world: World, event: OracleEvent): Verdict | undefined {
  const { version } = world
  if (version >= 12) {
    const create = createOfRoom(world, event)
    if (create === undefined || world.rejected.has(create.event_id)) return reject('room_id: no accepted create event')
  }
  const entries = event.auth_events.map((id) => eventOf(world, id))
  const seen = new Set<string>()
  for (const entry of entries) {
    if (entry.state_key === undefined) continue
    if (seen.has(keyOf(entry))) return reject('auth_events: duplicate')
    seen.add(keyOf(entry))
  }
  const selected = authKeys(version, event)
  for (const entry of entries) {
    if (entry.state_key === undefined || !selected.has(keyOf(entry))) return reject('auth_events: not selected')
  }
  for (const entry of entries) {
    if (world.rejected.has(entry.event_id)) return reject('auth_events: rejected')
  }
  if (version <= 11 && !entries.some((entry) => entry.type === 'm.room.create')) return reject('auth_events: no create')
  for (const entry of entries) {
    if (entry.room_id !== event.room_id) return reject('auth_events: other room')
  }
  return undefined
}

/** Version 12: the create event is the one whose id is the room's, with the other sigil. */
export function createOfRoom(world: World, event: OracleEvent): OracleEvent | undefined {
  if (event.room_id === undefined || !event.room_id.startsWith('!')) return undefined
  const create = world.events.get(`$${event.room_id.slice(1)}`)
  return create?.type === 'm.room.create' ? create : undefined
}
