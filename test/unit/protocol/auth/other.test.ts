import { expect, test } from 'vitest'
import { checkAuth } from '../../../../src/protocol/auth/check.ts'
import { alice, bob, creator, makeEvent, mod, usualPower, versionOf } from '../room-events.ts'
import type { RuleCase } from './rule-case.ts'
import { from, testRules, until } from './rule-case.ts'

const message = { type: 'm.room.message', sender: alice }
const topic = { type: 'm.room.topic', stateKey: '', sender: alice }
const local = { create: { 'm.federate': false }, members: { [bob]: 'join' } }

const federation: RuleCase[] = [
  { name: 'rule 3 (4): not federated, own server', scene: local, event: message },
  {
    name: 'rule 3 (4): not federated, other server',
    scene: local,
    event: { ...message, sender: bob },
    refused: /not federated/,
  },
  {
    name: 'rule 3 (4): not federated, join from another server',
    scene: { ...local, joinRule: 'public', members: {} },
    event: { type: 'm.room.member', sender: bob, stateKey: bob, content: { membership: 'join' } },
    refused: /not federated/,
  },
  {
    name: 'rule 3 (4): federated, other server',
    scene: { create: { 'm.federate': true }, members: { [bob]: 'join' } },
    event: { ...message, sender: bob },
  },
]

const aliases: RuleCase[] = [
  { name: 'rule 4.3', versions: until(5), event: { type: 'm.room.aliases', sender: bob, stateKey: 'b.test' } },
  {
    name: 'rule 4.1',
    versions: until(5),
    event: { type: 'm.room.aliases', sender: alice },
    refused: /without a state key/,
  },
  {
    name: 'rule 4.2',
    versions: until(5),
    event: { type: 'm.room.aliases', sender: alice, stateKey: 'b.test' },
    refused: /another server/,
  },
  {
    name: 'no rule on aliases: sender not joined',
    versions: from(6),
    event: { type: 'm.room.aliases', sender: bob, stateKey: 'b.test' },
    refused: /not joined/,
  },
  {
    name: 'no rule on aliases: like any state',
    versions: from(6),
    event: { type: 'm.room.aliases', sender: mod, stateKey: 'b.test' },
  },
]

const others: RuleCase[] = [
  { name: 'rule 6 (5): joined', event: message },
  ...['invite', 'leave', 'ban', 'knock'].map((membership) => ({
    name: `rule 6 (5): membership ${membership}`,
    scene: { members: { [alice]: membership } },
    event: message,
    refused: /sender is not joined/,
  })),
  {
    name: 'rule 7.1 (6.1): third-party invite at the invite level',
    scene: (version) => ({ power: usualPower(version, { invite: 50, state_default: 100 }) }),
    event: { type: 'm.room.third_party_invite', sender: mod, stateKey: 'tok' },
  },
  {
    name: 'rule 7.1 (6.1): third-party invite below the invite level',
    scene: (version) => ({ power: usualPower(version, { invite: 51, state_default: 0 }) }),
    event: { type: 'm.room.third_party_invite', sender: mod, stateKey: 'tok' },
    refused: /may not invite/,
  },
  { name: 'rule 8 (7): state at the default level', event: { ...topic, sender: mod } },
  { name: 'rule 8 (7): state below the default level', event: topic, refused: /needs level 50/ },
  {
    name: 'rule 8 (7): message below events_default',
    scene: (version) => ({ power: usualPower(version, { events_default: 1 }) }),
    event: message,
    refused: /needs level 1/,
  },
  {
    name: 'rule 8 (7): listed type above the default',
    scene: (version) => ({ power: usualPower(version, { events: { 'm.room.topic': 51 } }) }),
    event: { ...topic, sender: mod },
    refused: /needs level 51/,
  },
  {
    name: 'rule 8 (7): listed type below the default',
    scene: (version) => ({ power: usualPower(version, { events: { 'm.room.topic': 0 } }) }),
    event: topic,
  },
  { name: 'rule 8 (7): no power levels, the creator', scene: { power: null }, event: { ...topic, sender: creator } },
  { name: 'rule 8 (7): no power levels, another', scene: { power: null }, event: topic, refused: /needs level 50/ },
  {
    name: 'rule 8: a creator above every level',
    versions: from(12),
    scene: { power: { state_default: Number.MAX_SAFE_INTEGER } },
    event: { ...topic, sender: creator },
  },
  {
    name: 'rule 8: an additional creator',
    versions: from(12),
    scene: { create: { additional_creators: [alice] } },
    event: topic,
  },
  {
    name: 'rule 8 (7): an additional creator is nothing',
    versions: until(11),
    scene: { create: { additional_creators: [alice] } },
    event: topic,
    refused: /needs level/,
  },
  {
    name: 'rule 9 (8): own user id as state key',
    event: { type: 'x', sender: mod, stateKey: mod },
  },
  {
    name: "rule 9 (8): another's user id as state key",
    event: { type: 'x', sender: mod, stateKey: alice },
    refused: /another user/,
  },
]

const redactions: RuleCase[] = [
  {
    name: 'rule 11.1: the redact level',
    event: { type: 'm.room.redaction', sender: mod, redacts: '$x:b.test', id: '$r:a.test' },
  },
  {
    name: "rule 11.2: an event of the redaction's server",
    event: { type: 'm.room.redaction', sender: alice, redacts: '$x:a.test', id: '$r:a.test' },
  },
  {
    name: 'rule 11.3: an event of another server',
    versions: until(2),
    event: { type: 'm.room.redaction', sender: alice, redacts: '$x:b.test', id: '$r:a.test' },
    refused: /may not redact/,
  },
  {
    name: 'rule 11.3: of nothing',
    versions: until(2),
    event: { type: 'm.room.redaction', sender: alice },
    refused: /may not redact/,
  },
  {
    name: 'no rule on redactions: an event of another server',
    versions: from(3),
    event: { type: 'm.room.redaction', sender: alice, redacts: '$x:b.test', id: '$r:a.test' },
  },
]

testRules([...federation, ...aliases, ...others, ...redactions])

test('an event in a room without a create event is refused', () => {
  expect(checkAuth(makeEvent(versionOf('11'), message), undefined)).toMatch(/create/)
})
