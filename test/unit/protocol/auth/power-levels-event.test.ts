import type { Json, JsonObject } from '../../../../src/protocol/json-types.ts'
import type { RoomVersion } from '../../../../src/protocol/room-version.ts'
import type { Draft } from '../room-events.ts'
import { alice, bob, creator, mod, usualPower } from '../room-events.ts'
import type { RuleCase } from './rule-case.ts'
import { from, testRules, until } from './rule-case.ts'

const open = { events: { 'm.room.power_levels': 50 } }
const levels = (sender: string, content: JsonObject): Draft => ({
  type: 'm.room.power_levels',
  stateKey: '',
  sender,
  content,
})
/** The moderator changes the levels of a room in which moderators may. */
const change = (
  before: { [key: string]: Json },
  after: { [key: string]: Json },
): Pick<RuleCase, 'scene' | 'event'> => ({
  scene: (version: RoomVersion) => ({ power: usualPower(version, { ...open, ...before }) }),
  event: (version: RoomVersion) => levels(mod, usualPower(version, { ...open, ...after })),
})
const users = (more: { [user: string]: Json }) => ({ users: { [mod]: 50, ...more } })

const shape: RuleCase[] = [
  ...['users_default', 'events_default', 'state_default', 'ban', 'redact', 'kick', 'invite'].flatMap((name) => [
    ...['0', '50', 1.5, null, true, [], {}].map((value) => ({
      name: `rule 10.1 (9.1): ${name} ${JSON.stringify(value)}`,
      versions: from(10),
      scene: { power: null },
      event: levels(creator, { [name]: value }),
      refused: /is not an integer/,
    })),
    { name: `rule 10.1 (9.1): ${name} 7`, scene: { power: null }, event: levels(creator, { [name]: 7 }) },
  ]),
  ...['events', 'notifications'].flatMap((name) => [
    ...[null, [], 1, { x: '1' }, { x: null }, { x: 1.5 }].map((value) => ({
      name: `rule 10.2 (9.2): ${name} ${JSON.stringify(value)}`,
      versions: from(10),
      scene: { power: null },
      event: levels(creator, { [name]: value }),
      refused: /is not an object of integers/,
    })),
    { name: `rule 10.2 (9.2): ${name}`, scene: { power: null }, event: levels(creator, { [name]: { x: 1 } }) },
  ]),
  ...[null, [], 'x', { [bob]: 'x' }, { [bob]: null }, { [bob]: '1.5' }, { [bob]: '' }, { [bob]: '+' }].map((value) => ({
    name: `rule 10.3 (10.1): users ${JSON.stringify(value)}`,
    scene: { power: null },
    event: levels(creator, { users: value }),
    refused: /users is not/,
  })),
  ...['bob', '@bob', 'bob:b.test', ''].map((user) => ({
    name: `rule 10.3 (10.1): user "${user}"`,
    scene: { power: null },
    event: levels(creator, { users: { [user]: 1 } }),
    refused: /not a user id/,
  })),
  { name: 'rule 10.3 (10.1): users', scene: { power: null }, event: levels(creator, { users: { [bob]: -1 } }) },
  ...['10', ' +0010 ', '-5'].flatMap((text) => [
    {
      name: `a level that is the string "${text}"`,
      versions: until(9),
      scene: { power: null },
      event: levels(creator, { users: { [bob]: text }, ban: text }),
    },
    {
      name: `rule 10.3: a level that is the string "${text}"`,
      versions: from(10),
      scene: { power: null },
      event: levels(creator, { users: { [bob]: text } }),
      refused: /not an object of integers/,
    },
  ]),
  {
    name: 'a level that is a float',
    versions: until(5),
    scene: { power: null },
    event: levels(creator, { users: { [bob]: 50.57 } }),
  },
  ...[50.57, Infinity, NaN].map((value) => ({
    name: `a level that is ${value}`,
    versions: value === 50.57 ? from(6) : until(12),
    scene: { power: null },
    event: levels(creator, { users: { [bob]: value } }),
    refused: /users is not/,
  })),
  ...[creator, bob].map((user) => ({
    name: `rule 10.4: users lists ${user}`,
    versions: from(12),
    scene: { create: { additional_creators: [bob] }, power: null },
    event: levels(creator, { users: { [user]: 1 } }),
    refused: /lists a creator/,
  })),
]

const changes: RuleCase[] = [
  {
    name: 'rule 10.5 (10.2): the first power levels',
    scene: { power: null },
    event: levels(creator, { users: { [bob]: 1000 }, ban: 1000 }),
  },
  { name: 'rule 10: no change', ...change({}, {}) },
  ...['users_default', 'events_default', 'state_default', 'ban', 'redact', 'kick', 'invite'].flatMap((name) => [
    { name: `rule 10.6.1: ${name} from above`, ...change({ [name]: 51 }, { [name]: 0 }), refused: /above the sender/ },
    { name: `rule 10.6.1: ${name} removed from above`, ...change({ [name]: 51 }, {}), refused: /above the sender/ },
    { name: `rule 10.6.2: ${name} to above`, ...change({ [name]: 50 }, { [name]: 51 }), refused: /above the sender/ },
    { name: `rule 10.6.2: ${name} added above`, ...change({}, { [name]: 51 }), refused: /above the sender/ },
    { name: `rule 10.6: ${name} from own level to 0`, ...change({ [name]: 50 }, { [name]: 0 }) },
    { name: `rule 10.6: ${name} added at own level`, ...change({}, { [name]: 50 }) },
    { name: `rule 10.6: ${name} above and unchanged`, ...change({ [name]: 51 }, { [name]: 51 }) },
  ]),
  ...['events', 'notifications'].flatMap((name): RuleCase[] => {
    const map = (more: JsonObject): { [key: string]: Json } => ({
      [name]: { ...(name === 'events' ? open.events : {}), ...more },
    })
    const versions = name === 'events' ? from(1) : from(6)
    return [
      {
        name: `rule 10.7: ${name} from above`,
        versions,
        ...change(map({ x: 51 }), map({ x: 1 })),
        refused: /above the sender/,
      },
      {
        name: `rule 10.7: ${name} removed from above`,
        versions,
        ...change(map({ x: 51 }), map({})),
        refused: /above the sender/,
      },
      {
        name: `rule 10.8: ${name} to above`,
        versions,
        ...change(map({ x: 1 }), map({ x: 51 })),
        refused: /above the sender/,
      },
      { name: `rule 10.8: ${name} added above`, versions, ...change({}, map({ x: 51 })), refused: /above the sender/ },
      { name: `rule 10.7: ${name} from own level`, ...change(map({ x: 50 }), map({ x: 0 })) },
      { name: `rule 10.8: ${name} to own level`, ...change(map({}), map({ x: 50 })) },
    ]
  }),
  {
    name: 'no rule on notifications: from and to above',
    versions: until(5),
    ...change({ notifications: { room: 51 } }, { notifications: { room: 60 } }),
  },
  {
    name: 'rule 10.9: an equal lowered',
    ...change(users({ [bob]: 50 }), users({ [bob]: 0 })),
    refused: /may not change/,
  },
  { name: 'rule 10.9: an equal removed', ...change(users({ [bob]: 50 }), users({})), refused: /may not change/ },
  { name: 'rule 10.9: a lower one lowered', ...change(users({ [bob]: 49 }), users({ [bob]: 0 })) },
  { name: 'rule 10.9: a lower one removed', ...change(users({ [bob]: 49 }), users({})) },
  { name: 'rule 10.9: the sender lowered', ...change(users({}), users({ [mod]: 1 })) },
  { name: 'rule 10.10: the sender raised', ...change(users({}), users({ [mod]: 51 })), refused: /may not give/ },
  {
    name: 'rule 10.10: one raised above',
    ...change(users({ [bob]: 1 }), users({ [bob]: 51 })),
    refused: /may not give/,
  },
  { name: 'rule 10.10: one added above', ...change(users({}), users({ [bob]: 51 })), refused: /may not give/ },
  { name: 'rule 10.10: one added at own level', ...change(users({}), users({ [bob]: 50 })) },
  {
    name: 'rule 10: the same level, once as a string',
    versions: until(9),
    ...change({ ban: 100 }, { ban: '0100' }),
  },
  {
    name: 'rule 10: the same level, once as a float',
    versions: until(5),
    ...change({ ban: 100 }, { ban: 100.9 }),
  },
  {
    name: 'rule 10: a change to what is no level',
    versions: until(9),
    ...change({}, { ban: 'much' }),
    refused: /not a level/,
  },
  {
    name: 'rule 8 before rule 10: sender below the level for the event',
    scene: (version) => ({ power: usualPower(version) }),
    event: (version) => levels(alice, usualPower(version)),
    refused: /needs level 50/,
  },
]

testRules([...shape, ...changes])
