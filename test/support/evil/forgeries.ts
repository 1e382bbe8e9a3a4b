import type { EventId, UserId } from '../../../src/protocol/ids.ts'
import type { Json, JsonObject } from '../../../src/protocol/json-types.ts'
import type { RoomVersion } from '../../../src/protocol/room-version.ts'
import { anyValue } from './changes.ts'
import type { Expected } from './expectation.ts'
import { writeLiteral } from './literal-json.ts'
import type { Fields } from './pdu.ts'
import type { Seeded } from '../seeded.ts'

/** What a forgery may build on. */
export interface Material {
  readonly random: Seeded
  readonly version: RoomVersion
  readonly number: number
  /** an honest message of a member without power, unsigned */
  readonly message: (more?: Fields) => Fields
  /** an honest state event of the same member, of a kind that everybody may send */
  readonly state: (stateKey: string, more?: Fields) => Fields
  readonly member: (content: JsonObject, more?: Fields) => Fields
  readonly user: UserId
  readonly creator: UserId
  /** a member of the room on a server of her own */
  readonly stranger: UserId
  readonly reference: (eventId: EventId) => Json
  /** names of state events of the room: create, join rules and whatever else is asked for */
  readonly stateId: (type: string) => EventId
  /** an event of the timeline that came before */
  readonly older: EventId
  /** another room of the same version that this server is in */
  readonly elsewhere: string
}

/** Fields that are hashed and signed, or only signed, and what has to become of them. */
export interface Forged {
  readonly fields: Fields
  readonly expected: Expected
  readonly note: string
  /** stands for `"@odd@"` in the text before it is sealed */
  readonly literal?: string
  /** names an older event, so that the room forks there */
  readonly isFork?: boolean
  /** names no room of ours, so that nobody knows under which id to refuse it */
  readonly isNameless?: boolean
}

type Forgery = (material: Material) => Forged

const unknown = (random: Seeded): EventId => `$${random.text(43)}`
const content = (fields: Fields, more: JsonObject): Fields => ({
  ...fields,
  content: { ...(fields['content'] as JsonObject), ...more },
})
const named = (expected: Expected, note: string, make: (material: Material) => Fields, more: Partial<Forged> = {}) => {
  return (material: Material): Forged => ({ fields: make(material), expected, note, ...more })
}

const allowed: readonly Forgery[] = [
  ({ message, random }) => ({
    fields: content(message(), { odd: '@odd@' }),
    literal: random.pick(['9007199254740991', '-9007199254740991', '0', '"\\u0000"', '"\\ud83d\\ude00"', 'null', '{}']),
    expected: 'whole',
    note: 'a member more',
  }),
  named('whole', 'any time', ({ message, random, version }) =>
    message({ origin_server_ts: random.pick([0, 1, 1e12, ...(version.enforceKeyValidity ? [] : [2 ** 53 - 1])]) }),
  ),
  named('whole', 'any depth', ({ message, random }) => message({ depth: random.pick([0, 1, 5, 2 ** 53 - 1]) })),
  named('whole', 'any type', ({ message, random }) =>
    message({ type: random.pick(['', 'x', 'é'.repeat(127), 'm.room.message.x', '__proto__', 'm.call.hangup']) }),
  ),
  named('whole', 'members at the top', ({ message, random }) =>
    message({ [random.pick(['org.evil', 'prev_state', 'origin', 'membership', 'replaces_state'])]: 'x' }),
  ),
  named('whole', 'any state key', ({ state, random, user }) =>
    state(random.pick(['', 'é'.repeat(127), '_', user, '__proto__', `${random.text(5)}`, 'a\u0000b'])),
  ),
  named('whole', 'a previous event twice', ({ message }) => {
    const fields = message()
    const list = fields['prev_events'] as Json[]
    return list.length < 20 ? { ...fields, prev_events: [...list, list[0] as Json] } : fields
  }),
  named(
    'whole',
    'an older previous event',
    ({ message, older, reference }) => message({ prev_events: [reference(older)] }),
    { isFork: true },
  ),
  named('whole', 'another name', ({ member, random }) => member({ membership: 'join', displayname: random.text(8) })),
  named('whole', 'strange members of a member event', ({ member, random }) =>
    member({ membership: 'join', displayname: random.pick([null, 5, {}, [], 'x'.repeat(5000)]), avatar_url: [] }),
  ),
  named('whole', 'relations to anything', ({ message, random, older }) =>
    content(message(), {
      'm.relates_to': random.pick<Json>([
        { rel_type: 'm.thread', event_id: older },
        { rel_type: 'm.replace', event_id: older },
        { rel_type: 'm.annotation', event_id: older, key: '👍' },
        { rel_type: 'm.thread', event_id: 5 },
        { rel_type: {}, event_id: older },
        { rel_type: 'm.reference', event_id: `$${'x'.repeat(5000)}` },
        'x',
        [],
        null,
      ]),
    }),
  ),
]

/** Any content at all, in a message of any version whose JSON allows it. */
const anyContent: Forgery = ({ message, random }) => {
  const value = anyValue(random)
  return {
    fields: content(message(), { odd: '@odd@' }),
    literal: writeLiteral(value),
    // judged by the one who knows what the literal holds
    expected: 'either',
    note: 'any content',
  }
}

const rejected: readonly Forgery[] = [
  named('rejected', 'state without the power', ({ message, random }) =>
    message({ state_key: random.pick(['', 'x']), type: random.pick(['m.room.topic', 'm.room.name', 'org.other']) }),
  ),
  named('rejected', 'power for oneself', ({ message, user }) =>
    message({ type: 'm.room.power_levels', state_key: '', content: { users: { [user]: 100 } } }),
  ),
  named('rejected', "another's state key", ({ state, creator }) => state(creator)),
  named('rejected', 'a membership that is none', ({ member, random }) =>
    member({ membership: random.pick<Json>(['dance', '', 5, null, {}, 'JOIN']) }),
  ),
  named('rejected', 'a ban without the power', ({ member, creator }) =>
    member({ membership: 'ban' }, { state_key: creator }),
  ),
  named('rejected', 'a join of another', ({ member, creator }) =>
    member({ membership: 'join' }, { state_key: creator }),
  ),
  named('rejected', 'a sender who is not there', ({ message }) => message({ sender: '@nobody:evil.test' })),
  named('rejected', 'without the member event', ({ message, random, version, reference, stateId }) =>
    message({
      auth_events: [
        ...(version.roomIdIsCreateHash ? [] : [reference(stateId('m.room.create'))]),
        ...(random.chance(1 / 2) ? [reference(stateId('m.room.power_levels'))] : []),
      ],
    }),
  ),
  named('rejected', 'an auth event twice', ({ message }) => {
    const fields = message()
    const list = fields['auth_events'] as Json[]
    return { ...fields, auth_events: [...list, list[0] as Json] }
  }),
  named('rejected', 'an auth event too many', ({ message, random, reference, stateId, version }) => {
    const fields = message()
    const type = version.roomIdIsCreateHash && random.chance(1 / 2) ? 'm.room.create' : 'm.room.join_rules'
    return { ...fields, auth_events: [...(fields['auth_events'] as Json[]), reference(stateId(type))] }
  }),
  named('rejected', 'a message among the auth events', ({ message, reference, older }) => {
    const fields = message()
    return { ...fields, auth_events: [...(fields['auth_events'] as Json[]), reference(older)] }
  }),
]

const refused: readonly Forgery[] = [
  named('refused', 'a type too long', ({ message }) => message({ type: 'é'.repeat(128) })),
  named('refused', 'a state key too long', ({ state }) => state('é'.repeat(128))),
  named('refused', 'a state key that is none', ({ message, random }) =>
    message({ state_key: random.pick<Json>([null, 5, {}, []]) }),
  ),
  named('refused', 'a sender that is none', ({ message, random }) =>
    message({ sender: random.pick(['', '@weak', 'weak:evil.test', `@${'x'.repeat(260)}:evil.test`, '@a:b:c:d']) }),
  ),
  named('refused', 'a content that is none', ({ message, random }) =>
    message({ content: random.pick<Json>([null, [], 'x', 5, true]) }),
  ),
  named('refused', 'a depth that is none', ({ message, random }) =>
    message({ depth: random.pick<Json>([-1, null, '5', {}, true]) }),
  ),
  named('refused', 'a time that is none', ({ message, random }) =>
    message({ origin_server_ts: random.pick<Json>([null, '5', {}, true]) }),
  ),
  named('refused', 'too many references', ({ message, random, reference }) => {
    const name = random.pick(['prev_events', 'auth_events'])
    return message({ [name]: Array.from({ length: 21 }, () => reference(unknown(random))) })
  }),
  named('refused', 'references that are none', ({ message, random }) =>
    message({
      [random.pick(['prev_events', 'auth_events'])]: random.pick<Json>([
        null,
        'x',
        {},
        [5],
        [null],
        [[]],
        [['x', 5]],
        [''],
        ['x'],
      ]),
    }),
  ),
  named('refused', 'no previous events', ({ message }) => message({ prev_events: [] })),
  named('refused', 'another room', ({ message, elsewhere }) => message({ room_id: elsewhere })),
  // from version 12 one with a room id is none at all
  (material) => {
    const { message, version, creator } = material
    const create = { type: 'm.room.create', state_key: '', sender: creator, content: { creator } }
    return {
      fields: { ...message(), ...create },
      expected: version.roomIdIsCreateHash ? 'refused' : 'rejected',
      note: 'a second create event',
    }
  },
  named('refused', 'much too large', ({ message, random }) =>
    content(message(), { body: 'x'.repeat(65_536 + random.below(5000)) }),
  ),
  ({ message, random }) => ({
    fields: content(message(), { odd: '@odd@' }),
    literal: random.pick([String.raw`"\udfff"`, '['.repeat(1200) + ']'.repeat(1200), String.raw`{"\ud800":1}`]),
    expected: 'refused',
    note: 'JSON that no event may hold',
  }),
  ({ message, random, version }) => ({
    fields: content(message(), { odd: '@odd@' }),
    literal: random.pick(['1.5', '1e3', '1.0', '9007199254740992', '-9007199254740992', '[1.5]', '{"x":1e-7}']),
    expected: version.strictCanonicalJson ? 'refused' : 'whole',
    note: 'numbers that are no integers',
  }),
  named(
    'refused',
    'a room that is none',
    ({ message, random }) => message({ room_id: random.pick<Json>(['', 'x', 5, null, '!nowhere:evil.test', {}]) }),
    { isNameless: true },
  ),
]

/** Forgeries that make us ask the origin. */
const askers: readonly Forgery[] = [
  named('refused', 'an unknown previous event', ({ message, random, reference }) =>
    message({ prev_events: [reference(unknown(random))] }),
  ),
  named('refused', 'an unknown auth event', ({ message, random, reference }) => {
    const fields = message()
    return { ...fields, auth_events: [...(fields['auth_events'] as Json[]), reference(unknown(random))] }
  }),
]

/** One forgery: signed as its sender's server would, and right or wrong in what it says. */
export function forge(material: Material): Forged {
  const { random } = material
  const kind = random.below(100)
  if (kind < 2) return random.pick(askers)(material)
  if (kind < 30) return random.pick(rejected)(material)
  if (kind < 60) return random.pick(refused)(material)
  if (kind < 75) return anyContent(material)
  return random.pick(allowed)(material)
}
