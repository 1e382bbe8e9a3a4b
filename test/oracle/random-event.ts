import { authKeys } from './auth-events.ts'
import type { Dice } from './dice.ts'
import { type Fields, type OracleEvent, type State, has, keyOf, own, stateKey } from './event.ts'
import { domainOf } from './identifiers.ts'
import { randomOffer, randomThirdPartyInvite } from './invitations.ts'
import { membershipOf } from './member.ts'
import { randomLevels } from './random-levels.ts'

export const creator = '@creator:a.test'
export const users = [creator, '@mod:a.test', '@bob:b.test', '@carol:c.test', '@dave:b.test', '@eve:a.test']
const tokens = ['t1', 't2']

/** What an event says, before it has an id and a place. */
export interface Saying {
  readonly type: string
  readonly sender: string
  readonly state_key?: string
  readonly content: Fields
  readonly redacts?: string
}

/** Something that somebody does in a room in this state, or tries to. */
export function randomSaying(version: number, dice: Dice, state: State, eventIds: readonly string[]): Saying {
  const joined = users.filter((user) => membershipOf(state, user) === 'join')
  const actor = joined.length > 0 && dice.chance(85) ? dice.of(joined) : dice.of(users)
  const sender = dice.chance(15) ? creator : actor
  const target = randomTarget(dice, state)
  const custom = dice.of(['x.custom', 'constructor', 'm.room.name'])
  const kind = dice.roll(100)
  if (kind < 21) return randomJoin(version, dice, state)
  if (kind < 32) return member(dice, sender, target, 'invite')
  if (kind < 36) return member(dice, target, target, 'leave')
  if (kind < 45) return member(dice, sender, target, 'leave')
  if (kind < 51) return member(dice, sender, target, 'ban')
  if (kind < 56) return member(dice, dice.chance(80) ? target : sender, target, 'knock')
  if (kind < 60)
    return { type: 'm.room.third_party_invite', sender, state_key: dice.of(tokens), content: randomOffer(dice) }
  if (kind < 65) return randomExchange(dice, state, sender, target)
  if (kind < 76) {
    const present = state.get(stateKey('m.room.power_levels', ''))?.content
    const content = randomLevels(version, dice, users, dice.chance(85) ? present : undefined)
    return { type: 'm.room.power_levels', sender, state_key: '', content }
  }
  if (kind < 85) return { type: 'm.room.join_rules', sender, state_key: '', content: randomJoinRule(version, dice) }
  if (kind < 88) return { type: custom, sender, state_key: '', content: { v: dice.roll(9) } }
  if (kind < 91) return { type: custom, sender, state_key: dice.of(users), content: {} }
  if (kind < 94) return { type: dice.of(['m.room.message', custom]), sender, content: {} }
  if (kind < 97) {
    const redacts = dice.chance(90) ? { redacts: dice.of(eventIds) } : {}
    return { type: 'm.room.redaction', sender, content: version >= 11 ? redacts : {}, ...(version < 11 ? redacts : {}) }
  }
  if (kind < 99) {
    const domain = dice.of(['a.test', 'b.test', domainOf(sender) ?? ''])
    return {
      type: 'm.room.aliases',
      sender,
      ...(dice.chance(85) ? { state_key: domain } : {}),
      content: { aliases: [] },
    }
  }
  return dice.of<Saying>([
    { type: 'm.room.member', sender, content: { membership: 'join' } },
    { type: 'm.room.member', sender, state_key: target, content: {} },
    {
      type: 'm.room.member',
      sender,
      state_key: target,
      content: { membership: dice.of([null, 5, 'dance', '', 'Join']) },
    },
  ])
}

/** Often somebody whose membership is not the usual one, so that there is something to lift or to take back. */
function randomTarget(dice: Dice, state: State): string {
  if (dice.chance(3)) return dice.of(['nobody', '', '@:a.test'])
  const odd = users.filter((user) => ['ban', 'knock', 'invite'].includes(String(membershipOf(state, user))))
  return odd.length > 0 && dice.chance(35) ? dice.of(odd) : dice.of(users)
}

function member(dice: Dice, sender: string, target: string, membership: string): Saying {
  const authoriser = dice.chance(2)
    ? { join_authorised_via_users_server: dice.of<unknown>([...users, 5, null, 'x']) }
    : {}
  return { type: 'm.room.member', sender, state_key: target, content: { membership, ...authoriser } }
}

function randomJoin(version: number, dice: Dice, state: State): Saying {
  const outside = users.filter((user) => membershipOf(state, user) !== 'join')
  const user = outside.length > 0 && dice.chance(75) ? dice.of(outside) : dice.of(users)
  const saying = member(dice, dice.chance(96) ? user : dice.of(users), user, 'join')
  const rule = own(state.get(stateKey('m.room.join_rules', ''))?.content, 'join_rule')
  const isRestricted = rule === 'restricted' || rule === 'knock_restricted'
  if (!dice.chance(isRestricted ? 80 : 4)) return saying
  const authoriser = dice.chance(3) ? dice.of<unknown>([5, null, 'nobody', '@nocolon']) : dice.of(users)
  return { ...saying, content: { ...saying.content, join_authorised_via_users_server: authoriser } }
}

function randomExchange(dice: Dice, state: State, sender: string, target: string): Saying {
  const offers = [...state.values()].filter((event) => event.type === 'm.room.third_party_invite')
  const offer = offers.length > 0 && dice.chance(90) ? dice.of(offers) : undefined
  const saying = member(dice, dice.chance(90) ? (offer?.sender ?? sender) : sender, target, 'invite')
  const wanted = offer?.state_key === undefined || dice.chance(10) ? tokens : [offer.state_key]
  const third_party_invite = randomThirdPartyInvite(dice, target, wanted, dice.of(users))
  return { ...saying, content: { ...saying.content, third_party_invite } }
}

function randomJoinRule(version: number, dice: Dice): Fields {
  const known = [
    'public',
    'public',
    'invite',
    ...(version >= 7 ? ['knock'] : []),
    ...(version >= 8 ? ['restricted'] : []),
  ]
  const rules = [...known, ...(version >= 10 ? ['knock_restricted'] : [])]
  if (dice.chance(88)) return { join_rule: dice.of(rules) }
  return dice.of<Fields>([
    { join_rule: 'private' },
    { join_rule: 'restricted' },
    { join_rule: 'knock' },
    {},
    { join_rule: 5 },
  ])
}

/** The auth events that the state gives, or now and then wrong ones: some missing, doubled, stale, of others, refused. */
export function randomAuthEvents(
  version: number,
  dice: Dice,
  saying: Saying,
  state: State,
  all: readonly OracleEvent[],
): string[] {
  const draft = { ...saying, event_id: '', auth_events: [], prev_events: [], depth: 0, origin_server_ts: 0 }
  const chosen = [...authKeys(version, draft)].map((key) => state.get(key)).filter((event) => event !== undefined)
  const ids = chosen.map((event) => event.event_id)
  if (!dice.chance(18)) return ids
  const keys = new Set(chosen.map(keyOf))
  const stale = all.filter(
    (event) => event.state_key !== undefined && keys.has(keyOf(event)) && !chosen.includes(event),
  )
  const mistake = dice.roll(9)
  const foreign = all.find((event) => event.type === 'm.room.create' && event.event_id !== all[0]?.event_id)
  if (mistake === 8 && foreign !== undefined && version <= 11) ids[0] = foreign.event_id
  else if (mistake < 2 && ids.length > 0) ids.splice(dice.roll(ids.length), 1)
  else if (mistake < 5 && stale.length > 0) {
    const old = dice.of(stale)
    const at = chosen.findIndex((event) => keyOf(event) === keyOf(old))
    ids[at] = old.event_id
  } else if (mistake < 6 && ids.length > 0) ids.push(dice.of(stale.length > 0 ? stale.map((one) => one.event_id) : ids))
  else ids.push(dice.of(all).event_id)
  return ids
}

/** The content of a create event; one in many is malformed. */
export function randomCreate(version: number, dice: Dice, isBad: boolean): Saying {
  const content: Record<string, unknown> = { room_version: String(version) }
  if (version <= 10) content['creator'] = dice.chance(95) ? creator : '@mod:a.test'
  if (dice.chance(8)) content['m.federate'] = dice.chance(75) ? false : dice.of<unknown>([null, 'false', true])
  if (version === 12 && dice.chance(40)) content['additional_creators'] = ['@bob:b.test']
  if (isBad) {
    const spoilers: (() => void)[] = [
      () => (content['room_version'] = dice.of<unknown>(['13', 'x', 5, null])),
      () => delete content['creator'],
      () => (content['additional_creators'] = dice.of<unknown>(['@bob:b.test', ['nobody'], [5], ['@x:'], null, {}])),
    ]
    dice.of(spoilers)()
  }
  if (has(content, 'room_version') && dice.chance(10)) delete content['room_version']
  return { type: 'm.room.create', sender: creator, state_key: '', content }
}
