import { stateKeyText } from '../../src/protocol/auth/state.ts'
import type { EventId } from '../../src/protocol/ids.ts'
import type { Json, JsonObject } from '../../src/protocol/json-types.ts'
import type { Choice, HostedRoom } from './hosted-room.ts'
import type { Seeded } from './seeded.ts'

/** Who acts in a random room: `users[0]` created it and is never acted against, so that somebody can always speak. */
export interface Cast {
  readonly users: readonly string[]
  /** how many events of the room nobody builds on any more: those from before the servers came */
  readonly since: number
}

const levels = [0, 0, 10, 25, 50, 50, 75, 99, 100]

/** What somebody might do next in the room, allowed or not. */
export function randomChoice(random: Seeded, room: HostedRoom, cast: Cast): Choice {
  const sender = random.chance(0.3) ? (cast.users[0] as string) : random.pick(cast.users)
  const others = cast.users.slice(1)
  const choice = act(random, room, sender, random.pick(others), others)
  const prev = place(random, room, cast.since)
  return {
    ...choice,
    ...(prev === undefined ? {} : { prev }),
    ...(random.chance(0.08) ? { twistAuth: twist(random, room) } : {}),
  }
}

function act(random: Seeded, room: HostedRoom, sender: string, target: string, others: readonly string[]): Choice {
  const member = (who: string, content: JsonObject): Choice => ({
    type: 'm.room.member',
    sender,
    stateKey: who,
    content,
  })
  const state = (type: string, content: JsonObject, stateKey = ''): Choice => ({ type, sender, stateKey, content })
  const self = others.includes(sender) ? sender : target
  switch (random.below(20)) {
    case 0:
    case 1:
      return { type: 'm.room.message', sender, content: { msgtype: 'm.text', body: `said ${random.below(1e6)}` } }
    case 2:
    case 3:
    case 4:
      return { ...member(self, { membership: 'join', ...authoriser(random, others) }), sender: self }
    case 5:
      return { ...member(self, { membership: 'leave' }), sender: self }
    case 6:
    case 7:
      return member(target, { membership: 'invite' })
    case 8:
      return member(target, { membership: 'leave', reason: 'out' })
    case 9:
      return member(target, { membership: 'ban' })
    case 10:
      return { ...member(self, { membership: 'knock' }), sender: self }
    case 11:
    case 12:
    case 13:
      return state('m.room.power_levels', powerLevels(random, room, others))
    case 14:
      return state('m.room.join_rules', joinRule(random, room))
    case 15:
      return state(random.pick(['m.room.topic', 'm.room.name', 'org.example.state']), { name: `n${random.below(100)}` })
    case 16:
      return state(
        'org.example.of',
        { n: random.below(9) },
        random.pick([sender, target, '@', '@x:elsewhere', 'plain']),
      )
    case 17: {
      const redacts = random.pick([...room.placed.keys()])
      return {
        type: 'm.room.redaction',
        sender,
        content: room.version.redactsInContent ? { redacts } : {},
        ...(room.version.redactsInContent ? {} : { more: { redacts } }),
      }
    }
    case 18:
      return random.pick([
        state(
          'm.room.third_party_invite',
          { display_name: 'somebody', key_validity_url: 'https://x', public_key: 'AA' },
          'token',
        ),
        state('m.room.create', { room_version: room.version.id, creator: sender }),
        member(target, { membership: 'somehow' }),
        { ...member(target, { membership: 'join' }) },
      ])
    default:
      return state('m.room.encryption', { algorithm: 'm.megolm.v1.aes-sha2' })
  }
}

/**
 * Usually upon the newest events; sometimes upon an older one, or several, rejected ones among them: the graph forks and
 * merges. Never before `since`, and never upon rejected ones only.
 */
function place(random: Seeded, room: HostedRoom, since: number): EventId[] | undefined {
  if (random.chance(0.75)) return undefined
  const recent = [...room.placed.values()].slice(since).slice(-12)
  const accepted = recent.filter(({ refusal }) => refusal === undefined).map(({ event }) => event.eventId)
  if (accepted.length === 0) return undefined
  const rejected = recent.filter(({ isRejected }) => isRejected).map(({ event }) => event.eventId)
  const others = random.chance(0.2) ? [...accepted, ...rejected] : accepted
  const prev = [random.pick(accepted), ...Array.from({ length: random.below(3) }, () => random.pick(others))]
  return [...new Set(prev)]
}

function twist(random: Seeded, room: HostedRoom): (selected: readonly EventId[]) => readonly EventId[] {
  const any = random.pick([...room.placed.keys()])
  const how = random.below(4)
  return (selected) => {
    if (how === 0) return selected.filter((_, i) => i !== random.below(selected.length))
    if (how === 1) return selected.includes(any) ? selected : [...selected, any]
    // an older event at one of the places
    const older = [...room.placed.values()].filter(
      ({ event }) => event.stateKey !== undefined && !selected.includes(event.eventId),
    )
    const replaced = random.below(Math.max(1, selected.length))
    const there = room.placed.get(selected[replaced] as EventId)?.event
    if (there === undefined) return selected
    const same = older.filter(({ event }) => event.type === there.type && event.stateKey === there.stateKey)
    if (same.length === 0) return selected
    const other = random.pick(same).event.eventId
    return how === 2 ? selected.map((id, i) => (i === replaced ? other : id)) : [...selected, other]
  }
}

function authoriser(random: Seeded, others: readonly string[]): JsonObject {
  return random.chance(0.4) ? { join_authorised_via_users_server: random.pick(others) } : {}
}

function joinRule(random: Seeded, room: HostedRoom): JsonObject {
  const rule = random.pick([
    'public',
    'public',
    'invite',
    'knock',
    'restricted',
    'knock_restricted',
    'private',
    'unknown',
  ])
  return {
    join_rule: rule,
    ...(rule.endsWith('restricted') ? { allow: [{ type: 'm.room_membership', room_id: room.id }] } : {}),
  }
}

function powerLevels(random: Seeded, room: HostedRoom, others: readonly string[]): JsonObject {
  const current = (room.state.get(stateKeyText('m.room.power_levels', ''))?.content ?? {}) as JsonObject
  const users: Record<string, Json> = { ...(current['users'] as JsonObject) }
  const next: Record<string, Json> = { ...current, users }
  for (let changes = 1 + random.below(2); changes > 0; changes--) {
    switch (random.below(6)) {
      case 0:
        next[random.pick(['ban', 'kick', 'redact', 'invite', 'state_default', 'events_default', 'users_default'])] =
          random.pick([0, 10, 25, 50])
        break
      case 1:
        next['events'] = {
          ...(current['events'] as JsonObject),
          [random.pick(['m.room.topic', 'm.room.name', 'org.example.state'])]: random.pick(levels),
        }
        break
      case 2:
        next['notifications'] = { room: random.pick(levels) }
        break
      case 3:
        if (random.chance(0.5)) delete users[random.pick(others)]
        else if (random.chance(0.3)) users['@nobody'] = 5
        break
      default:
        users[random.pick(others)] = random.pick(levels)
    }
  }
  if (random.chance(0.05)) next['ban'] = random.pick<Json>(['50', ' 50 ', 'x', null, true, [50], {}])
  if (random.chance(0.03)) next['users'] = random.pick<Json>([[], 'x', null])
  return next
}
