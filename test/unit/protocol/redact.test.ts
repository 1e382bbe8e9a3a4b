import { describe, expect, test } from 'vitest'
import { referenceHash } from '../../../src/protocol/hash.ts'
import type { JsonObject } from '../../../src/protocol/json-types.ts'
import { pruneEvent, redactContent, redactPdu } from '../../../src/protocol/redact.ts'
import { sealEvent } from '../../../src/protocol/seal-event.ts'
import { verifyEventSignature } from '../../../src/protocol/sign.ts'
import { accepted, allVersions, key, messageFields, server, versionOf } from './events.ts'

const everyKeyText =
  'event_id type room_id sender state_key content hashes signatures depth prev_events prev_state auth_events origin ' +
  'origin_server_ts membership redacts unsigned age x.custom'
const everyKey = everyKeyText.split(' ')

const contents: Record<string, JsonObject> = {
  'm.room.member': {
    membership: 'join',
    displayname: 'A',
    join_authorised_via_users_server: '@b:x',
    third_party_invite: { display_name: 'c', signed: { token: 't' } },
  },
  'm.room.create': { creator: '@a:x', room_version: '9', 'm.federate': true, additional_creators: [] },
  'm.room.join_rules': { join_rule: 'restricted', allow: [], other: 1 },
  'm.room.power_levels': {
    ban: 1,
    events: {},
    events_default: 2,
    kick: 3,
    redact: 4,
    state_default: 5,
    users: {},
    users_default: 6,
    invite: 7,
    notifications: {},
    other: 8,
  },
  'm.room.aliases': { aliases: ['#a:x'], other: 1 },
  'm.room.history_visibility': { history_visibility: 'joined', other: 1 },
  'm.room.redaction': { redacts: '$a', reason: 'r' },
  'm.room.message': { body: 'b', membership: 'join', creator: 'c' },
}

/** The keys of `content` that stay, by type: rows of versions from which they hold (client-server and room versions' texts). */
const kept: Record<string, readonly (readonly [from: number, keys: readonly string[]])[]> = {
  'm.room.member': [
    [1, ['membership']],
    [9, ['membership', 'join_authorised_via_users_server']],
    [11, ['membership', 'join_authorised_via_users_server', 'third_party_invite']],
  ],
  'm.room.create': [
    [1, ['creator']],
    [11, ['creator', 'room_version', 'm.federate', 'additional_creators']],
  ],
  'm.room.join_rules': [
    [1, ['join_rule']],
    [8, ['join_rule', 'allow']],
  ],
  'm.room.power_levels': [
    [1, ['ban', 'events', 'events_default', 'kick', 'redact', 'state_default', 'users', 'users_default']],
    [11, ['ban', 'events', 'events_default', 'invite', 'kick', 'redact', 'state_default', 'users', 'users_default']],
  ],
  'm.room.aliases': [
    [1, ['aliases']],
    [6, []],
  ],
  'm.room.history_visibility': [[1, ['history_visibility']]],
  'm.room.redaction': [
    [1, []],
    [11, ['redacts']],
  ],
  'm.room.message': [[1, []]],
}

describe.each(allVersions)('room version $id', (version) => {
  const number = Number(version.id)

  test('top-level keys', () => {
    const pdu: JsonObject = Object.fromEntries(everyKey.map((name) => [name, name === 'content' ? { a: 1 } : name]))
    const gone = [
      'redacts',
      'unsigned',
      'age',
      'x.custom',
      ...(number >= 11 ? ['prev_state', 'origin', 'membership'] : []),
    ]
    expect(Object.keys(redactPdu(version, pdu)).toSorted()).toEqual(
      everyKey.filter((name) => !gone.includes(name)).toSorted(),
    )
    expect(redactPdu(version, pdu).content).toEqual({})
    expect(Object.keys(pdu)).toEqual(everyKey)
  })

  test.each(Object.keys(kept))('content of %s', (type) => {
    const rows = kept[type] ?? []
    const expected = rows.filter(([from]) => number >= from).at(-1)?.[1] ?? []
    expect(Object.keys(redactContent(version, type, contents[type] ?? {})).toSorted()).toEqual(expected.toSorted())
  })

  test('a pruned event keeps its id, its signature and its content hash field, and pruning twice is pruning once', () => {
    for (const [type, content] of Object.entries(contents)) {
      if (type === 'm.room.create') continue
      const event = accepted(
        sealEvent(
          version,
          messageFields(version, { type, content, state_key: '', origin: 'domain', extra: 1 }),
          server,
          key,
        ),
      )
      const pruned = pruneEvent(event)
      expect(pruned.eventId).toBe(event.eventId)
      expect(referenceHash(version, pruned.pdu)).toBe(referenceHash(version, event.pdu))
      expect(pruned.pdu.hashes).toEqual(event.pdu.hashes)
      expect(verifyEventSignature(pruned, server, key.keyId, key.publicKey)).toBe(true)
      expect(pruneEvent(pruned)).toEqual(pruned)
      expect(pruned.text).not.toContain('extra')
      expect(JSON.parse(pruned.text)).toEqual(pruned.pdu)
    }
  })
})

test('of a third-party invite only `signed` stays (11)', () => {
  const redact = (invite: JsonObject[string]) =>
    redactContent(versionOf('11'), 'm.room.member', { third_party_invite: invite })
  expect(redact({ display_name: 'c', signed: { token: 't' } })).toEqual({
    third_party_invite: { signed: { token: 't' } },
  })
  expect(redact({ display_name: 'c' })).toEqual({ third_party_invite: {} })
  expect(redact('c')).toEqual({})
})

test("keys of Object.prototype are not taken for the event's own", () => {
  expect(redactPdu(versionOf('11'), { type: 'constructor', content: {} })).toEqual({ type: 'constructor', content: {} })
  expect(redactPdu(versionOf('11'), { type: 'm.room.member', content: 'x' }).content).toEqual({})
})

test('a redaction of versions before 11 forgets what it redacted, later ones do not', () => {
  for (const [id, expected] of [
    ['10', undefined],
    ['11', '$x'],
  ] as const) {
    const version = versionOf(id)
    const content = version.redactsInContent ? { redacts: '$x' } : {}
    const fields = messageFields(version, {
      type: 'm.room.redaction',
      content,
      ...(version.redactsInContent ? {} : { redacts: '$x' }),
    })
    const event = accepted(sealEvent(version, fields, server, key))
    expect(event.redacts).toBe('$x')
    expect(pruneEvent(event).redacts).toBe(expected)
  }
})
