import type { Draft } from '../room-events.ts'
import { creator } from '../room-events.ts'
import { from, testRules, until } from './rule-case.ts'

const create: Draft = { type: 'm.room.create', stateKey: '', sender: creator, prev: [], content: { creator } }

testRules([
  { name: 'rule 1: a create event', event: create },
  { name: 'rule 1.1: previous events', event: { ...create, prev: ['$x:a.test'] }, refused: /previous events/ },
  {
    name: "rule 1.2: a room id of another server than the sender's",
    versions: until(11),
    event: { ...create, room: '!room:b.test' },
    refused: /another server/,
  },
  {
    name: 'rule 1.2: a room id in the event',
    versions: from(12),
    event: { ...create, pdu: { room_id: '!room:a.test' } },
    refused: /room id/,
  },
  { name: 'rule 1.2: a room id without a server', versions: from(12), event: { ...create, room: '!hash' } },
  {
    name: 'rule 1.3: an unknown room version',
    event: { ...create, content: { creator, room_version: 'x.y' } },
    refused: /version is not known/,
  },
  {
    name: 'rule 1.3: a room version that is a number',
    event: { ...create, content: { creator, room_version: 1 } },
    refused: /version is not known/,
  },
  { name: 'rule 1.3: a known room version', event: { ...create, content: { creator, room_version: '5' } } },
  { name: 'rule 1.4: no creator', versions: until(10), event: { ...create, content: {} }, refused: /creator/ },
  { name: 'no rule 1.4 on the creator: no creator', versions: from(11), event: { ...create, content: {} } },
  {
    name: 'rule 1.4: additional creators',
    versions: from(12),
    event: { ...create, content: { additional_creators: ['@x:b.test', '@Historical Name:b.test'] } },
  },
  ...[null, '@x:b.test', ['x'], ['@x'], ['@x:b.test', 1]].map((additional_creators) => ({
    name: `rule 1.4: additional_creators ${JSON.stringify(additional_creators)}`,
    versions: from(12),
    event: { ...create, content: { additional_creators } },
    refused: /additional_creators/,
  })),
  {
    name: 'no rule on additional_creators: nonsense',
    versions: until(11),
    event: { ...create, content: { creator, additional_creators: 1 } },
  },
])
