import type { JsonObject } from '../../../../src/protocol/json-types.ts'
import { signingKeyFromSeed, signJson } from '../../../../src/protocol/sign.ts'
import type { Draft, Scene } from '../room-events.ts'
import { alice, bob, creator, mod, usualPower } from '../room-events.ts'
import type { RuleCase } from './rule-case.ts'
import { from, testRules, until } from './rule-case.ts'

const member = (sender: string, target: string, membership: string, content: JsonObject = {}): Draft => ({
  type: 'm.room.member',
  sender,
  stateKey: target,
  content: { membership, ...content },
})

const shape: RuleCase[] = [
  {
    name: 'member .1: no state key',
    event: { type: 'm.room.member', sender: alice, content: { membership: 'join' } },
    refused: /without a state key/,
  },
  {
    name: 'member .1: no membership',
    event: { type: 'm.room.member', sender: alice, stateKey: alice },
    refused: /without a membership/,
  },
  { name: 'member, last: unknown membership', event: member(alice, alice, 'lurk'), refused: /not known/ },
  {
    name: 'member, last: knock before knocking',
    versions: until(6),
    scene: { joinRule: 'knock' },
    event: member(bob, bob, 'knock'),
    refused: /not known/,
  },
]

const joins: RuleCase[] = [
  {
    name: "join .1: the creator's first",
    scene: { members: { [creator]: 'leave' }, power: null },
    event: { ...member(creator, creator, 'join'), prev: ['$create:a.test'] },
  },
  {
    name: "join .1: another's first",
    scene: { members: { [creator]: 'leave' }, power: null },
    event: { ...member(bob, bob, 'join'), prev: ['$create:a.test'] },
    refused: /not invited/,
  },
  {
    name: 'join .1: the creator later, after a ban',
    scene: { members: { [creator]: 'ban' }, joinRule: 'public' },
    event: { ...member(creator, creator, 'join'), prev: ['$create:a.test', '$other:a.test'] },
    refused: /banned/,
  },
  {
    name: 'join .1: content.creator is the creator',
    versions: until(10),
    scene: { create: { creator: bob } },
    event: { ...member(bob, bob, 'join'), prev: ['$create:a.test'] },
  },
  {
    name: 'join .1: content.creator is not the creator',
    versions: from(11),
    scene: { create: { creator: bob } },
    event: { ...member(bob, bob, 'join'), prev: ['$create:a.test'] },
    refused: /not invited/,
  },
  {
    name: 'join .1: an additional creator is no exception',
    versions: from(12),
    scene: { create: { additional_creators: [bob] } },
    event: { ...member(bob, bob, 'join'), prev: ['$create:a.test'] },
    refused: /not invited/,
  },
  {
    name: 'join .2: of another',
    scene: { joinRule: 'public' },
    event: member(alice, bob, 'join'),
    refused: /cannot join another/,
  },
  {
    name: 'join .3: banned',
    scene: { joinRule: 'public', members: { [bob]: 'ban' } },
    event: member(bob, bob, 'join'),
    refused: /banned/,
  },
  ...['invite', 'join'].flatMap((membership) =>
    ['invite', undefined].map((joinRule) => ({
      name: `join .4: rule ${joinRule ?? 'absent'}, membership ${membership}`,
      scene: { ...(joinRule && { joinRule }), members: { [bob]: membership } },
      event: member(bob, bob, 'join'),
    })),
  ),
  {
    name: 'join .4: rule invite, not invited',
    scene: { joinRule: 'invite' },
    event: member(bob, bob, 'join'),
    refused: /not invited/,
  },
  {
    name: 'join .4: rule knock, invited',
    versions: from(7),
    scene: { joinRule: 'knock', members: { [bob]: 'invite' } },
    event: member(bob, bob, 'join'),
  },
  {
    name: 'join .4: rule knock, only knocked',
    versions: from(7),
    scene: { joinRule: 'knock', members: { [bob]: 'knock' } },
    event: member(bob, bob, 'join'),
    refused: /not invited/,
  },
  {
    name: 'join .6: rule knock before knocking, invited',
    versions: until(6),
    scene: { joinRule: 'knock', members: { [bob]: 'invite' } },
    event: member(bob, bob, 'join'),
    refused: /lets nobody join/,
  },
  { name: 'join: rule public', scene: { joinRule: 'public' }, event: member(bob, bob, 'join') },
  {
    name: 'join, last: rule private',
    scene: { joinRule: 'private', members: { [bob]: 'invite' } },
    event: member(bob, bob, 'join'),
    refused: /lets nobody join/,
  },
]

const authorised = (authoriser: string): Draft =>
  member(bob, bob, 'join', { join_authorised_via_users_server: authoriser })
const restrictedJoins: RuleCase[] = [
  { joinRule: 'restricted', first: 8 },
  { joinRule: 'knock_restricted', first: 10 },
].flatMap(({ joinRule, first }): RuleCase[] => {
  const versions = from(first)
  return [
    ...['invite', 'join'].map((membership) => ({
      name: `join .5.1: rule ${joinRule}, membership ${membership}`,
      versions,
      scene: { joinRule, members: { [bob]: membership } },
      event: member(bob, bob, 'join'),
    })),
    { name: `join .5.3: rule ${joinRule}, authorised`, versions, scene: { joinRule }, event: authorised(alice) },
    {
      name: `join .5.2: rule ${joinRule}, not authorised`,
      versions,
      scene: { joinRule },
      event: member(bob, bob, 'join'),
      refused: /nobody authorised/,
    },
    {
      name: `join .5.2: rule ${joinRule}, authoriser not joined`,
      versions,
      scene: { joinRule, members: { [alice]: 'invite' } },
      event: authorised(alice),
      refused: /authorised the join is not joined/,
    },
    {
      name: `join .5.2: rule ${joinRule}, authoriser may not invite`,
      versions,
      scene: (version) => ({ joinRule, power: usualPower(version, { invite: 50 }) }),
      event: authorised(alice),
      refused: /authorised the join may not invite/,
    },
    {
      name: `join .5.2: rule ${joinRule}, authoriser has the level`,
      versions,
      scene: (version) => ({ joinRule, power: usualPower(version, { invite: 50 }) }),
      event: authorised(mod),
    },
    {
      name: `join .3: rule ${joinRule}, banned and authorised`,
      versions,
      scene: { joinRule, members: { [bob]: 'ban' } },
      event: authorised(alice),
      refused: /banned/,
    },
    {
      name: `join, last: rule ${joinRule} is not known`,
      versions: until(first - 1),
      scene: { joinRule, members: { [bob]: 'invite' } },
      event: authorised(alice),
      refused: /lets nobody join/,
    },
  ]
})

const invites: RuleCase[] = [
  { name: 'invite .4', event: member(alice, bob, 'invite') },
  {
    name: 'invite .2: sender not joined',
    scene: { members: { [alice]: 'invite' } },
    event: member(alice, bob, 'invite'),
    refused: /sender is not joined/,
  },
  ...['join', 'ban'].map((membership) => ({
    name: `invite .3: target has ${membership}`,
    scene: { members: { [bob]: membership } },
    event: member(mod, bob, 'invite'),
    refused: /target has membership/,
  })),
  {
    name: 'invite .4: sender has the level',
    scene: (version) => ({ power: usualPower(version, { invite: 50 }) }),
    event: member(mod, bob, 'invite'),
  },
  {
    name: 'invite .5: sender lacks the level',
    scene: (version) => ({ power: usualPower(version, { invite: 51 }) }),
    event: member(mod, bob, 'invite'),
    refused: /may not invite/,
  },
]

const key = signingKeyFromSeed('ed25519:0', new Uint8Array(32).fill(7))
const otherKey = signingKeyFromSeed('ed25519:0', new Uint8Array(32).fill(8))
const urlSafe = key.publicKey.replaceAll('+', '-').replaceAll('/', '_')
const signed = signJson({ mxid: bob, token: 'tok', sender: alice }, 'id.test', key)
const published = (content: JsonObject, sender = alice): Scene => ({
  members: { [alice]: 'leave' },
  more: [{ type: 'm.room.third_party_invite', stateKey: 'tok', sender, content }],
})
const exchange = (third_party_invite: JsonObject, target = bob): Draft =>
  member(alice, target, 'invite', { third_party_invite })
const oneKey = published({ public_key: key.publicKey })
const thirdPartyInvites: RuleCase[] = [
  { name: 'invite .1.7: public_key', scene: oneKey, event: exchange({ signed }) },
  { name: 'invite .1.7: URL-safe base64', scene: published({ public_key: urlSafe }), event: exchange({ signed }) },
  {
    name: 'invite .1.7: public_keys',
    scene: published({
      public_key: otherKey.publicKey,
      public_keys: [{ public_key: otherKey.publicKey }, { public_key: key.publicKey }],
    }),
    event: exchange({ signed }),
  },
  {
    name: 'invite .1.1: target banned',
    scene: { ...oneKey, members: { [bob]: 'ban' } },
    event: exchange({ signed }),
    refused: /target is banned/,
  },
  { name: 'invite .1.2: no signed', scene: oneKey, event: exchange({}), refused: /not signed/ },
  {
    name: 'invite .1.3: no token',
    scene: oneKey,
    event: exchange({ signed: { mxid: bob, signatures: {} } }),
    refused: /no mxid or no token/,
  },
  {
    name: 'invite .1.3: no mxid',
    scene: oneKey,
    event: exchange({ signed: { token: 'tok', signatures: {} } }),
    refused: /no mxid or no token/,
  },
  { name: 'invite .1.4: for another', scene: oneKey, event: exchange({ signed }, mod), refused: /another user/ },
  { name: 'invite .1.5: not in the room', event: exchange({ signed }), refused: /not in the room/ },
  {
    name: 'invite .1.6: published by another',
    scene: published({ public_key: key.publicKey }, mod),
    event: exchange({ signed }),
    refused: /sent by another/,
  },
  {
    name: 'invite .1.8: signed by another key',
    scene: published({ public_key: otherKey.publicKey, public_keys: 'none' }),
    event: exchange({ signed }),
    refused: /no key/,
  },
  {
    name: 'invite .1.8: changed after signing',
    scene: oneKey,
    event: exchange({ signed: { ...signed, sender: mod } }),
    refused: /no key/,
  },
  {
    name: 'invite .1.8: not signed at all',
    scene: oneKey,
    event: exchange({ signed: { mxid: bob, token: 'tok' } }),
    refused: /no key/,
  },
]

const leaves: RuleCase[] = [
  ...['invite', 'join'].map((membership) => ({
    name: `leave .1: own, membership ${membership}`,
    scene: { members: { [bob]: membership } },
    event: member(bob, bob, 'leave'),
  })),
  ...['leave', 'ban'].map((membership) => ({
    name: `leave .1: own, membership ${membership}`,
    scene: { members: { [bob]: membership } },
    event: member(bob, bob, 'leave'),
    refused: /not in the room/,
  })),
  {
    name: 'leave .1: own knock',
    versions: from(7),
    scene: { members: { [bob]: 'knock' } },
    event: member(bob, bob, 'leave'),
  },
  {
    name: 'leave .1: own knock before knocking',
    versions: until(6),
    scene: { members: { [bob]: 'knock' } },
    event: member(bob, bob, 'leave'),
    refused: /not in the room/,
  },
  {
    name: 'leave .2: sender not joined',
    scene: { members: { [mod]: 'leave' } },
    event: member(mod, alice, 'leave'),
    refused: /sender is not joined/,
  },
  {
    name: 'leave .3: unban without the level',
    scene: (version) => ({ members: { [bob]: 'ban' }, power: usualPower(version, { ban: 51 }) }),
    event: member(mod, bob, 'leave'),
    refused: /may not unban/,
  },
  { name: 'leave .3: unban', scene: { members: { [bob]: 'ban' } }, event: member(mod, bob, 'leave') },
  {
    name: 'leave .4: unban with the ban level but not the kick level',
    scene: (version) => ({ members: { [bob]: 'ban' }, power: usualPower(version, { kick: 51 }) }),
    event: member(mod, bob, 'leave'),
    refused: /may not kick/,
  },
  { name: 'leave .4: kick', event: member(mod, alice, 'leave') },
  { name: 'leave .5: kick without the level', event: member(alice, bob, 'leave'), refused: /may not kick/ },
  {
    name: 'leave .5: kick of an equal',
    scene: (version) => ({ power: usualPower(version, { users_default: 50 }) }),
    event: member(mod, alice, 'leave'),
    refused: /as much power/,
  },
  { name: 'leave .5: kick of the creator', event: member(mod, creator, 'leave'), refused: /as much power/ },
  {
    name: 'leave .5: kick of one creator by another',
    versions: from(12),
    scene: { create: { additional_creators: [alice] } },
    event: member(alice, creator, 'leave'),
    refused: /as much power/,
  },
]

const bans: RuleCase[] = [
  { name: 'ban .2', event: member(mod, alice, 'ban') },
  {
    name: 'ban .1: sender not joined',
    scene: { members: { [mod]: 'leave' } },
    event: member(mod, alice, 'ban'),
    refused: /sender is not joined/,
  },
  {
    name: 'ban .3: sender lacks the level',
    scene: (version) => ({ power: usualPower(version, { ban: 51 }) }),
    event: member(mod, alice, 'ban'),
    refused: /may not ban/,
  },
  {
    name: 'ban .3: of an equal',
    scene: (version) => ({ power: usualPower(version, { users_default: 50 }) }),
    event: member(mod, alice, 'ban'),
    refused: /as much power/,
  },
  {
    name: 'ban .2: by an additional creator without power levels',
    versions: from(12),
    scene: { create: { additional_creators: [bob] }, members: { [bob]: 'join' }, power: null },
    event: member(bob, alice, 'ban'),
  },
]

const knocks: RuleCase[] = [
  ...['knock', 'knock_restricted'].map((joinRule) => ({
    name: `knock .3: rule ${joinRule}`,
    versions: from(joinRule === 'knock' ? 7 : 10),
    scene: { joinRule },
    event: member(bob, bob, 'knock'),
  })),
  ...['public', 'invite', 'restricted'].map((joinRule) => ({
    name: `knock .1: rule ${joinRule}`,
    versions: from(7),
    scene: { joinRule },
    event: member(bob, bob, 'knock'),
    refused: /lets nobody knock/,
  })),
  {
    name: 'knock .1: rule knock_restricted is not known',
    versions: (version) => version.knocking && !version.knockRestrictedJoins,
    scene: { joinRule: 'knock_restricted' },
    event: member(bob, bob, 'knock'),
    refused: /lets nobody knock/,
  },
  {
    name: 'knock .2: for another',
    versions: from(7),
    scene: { joinRule: 'knock' },
    event: member(alice, bob, 'knock'),
    refused: /for another/,
  },
  ...['ban', 'invite', 'join'].map((membership) => ({
    name: `knock .4: membership ${membership}`,
    versions: from(7),
    scene: { joinRule: 'knock', members: { [bob]: membership } },
    event: member(bob, bob, 'knock'),
    refused: /sender has membership/,
  })),
]

const badAuthorisers: RuleCase[] = [5, null, 'nobody', '@nobody'].map((join_authorised_via_users_server) => ({
  name: `.2: an authoriser that is no user, ${JSON.stringify(join_authorised_via_users_server)}`,
  versions: from(8),
  scene: { joinRule: 'public' },
  event: member(bob, bob, 'join', { join_authorised_via_users_server }),
  refused: /authorised the join is no user/,
}))

testRules([
  ...badAuthorisers,
  ...shape,
  ...joins,
  ...restrictedJoins,
  ...invites,
  ...thirdPartyInvites,
  ...leaves,
  ...bans,
  ...knocks,
])
