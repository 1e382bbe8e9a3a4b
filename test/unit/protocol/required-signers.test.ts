import { describe, expect, test } from 'vitest'
import { parseEvent } from '../../../src/protocol/parse-event.ts'
import { requiredSigners } from '../../../src/protocol/required-signers.ts'
import type { JsonObject } from '../../../src/protocol/json-types.ts'
import { accepted, messageFields, versionOf } from './events.ts'

function signersOf(id: string, more: JsonObject): string[] {
  const version = versionOf(id)
  const pdu = { ...messageFields(version, more), hashes: { sha256: '' }, signatures: {} }
  return requiredSigners(accepted(parseEvent(version, pdu)))
}

const member = (content: JsonObject): JsonObject => ({
  type: 'm.room.member',
  state_key: '@bob:b.example',
  sender: '@bob:b.example',
  content,
})

describe('who must have signed', () => {
  test("the sender's server, once", () => {
    for (const id of ['1', '2', '3', '11', '12']) expect(signersOf(id, {})).toEqual(['domain'])
  })
  test("in versions 1 and 2 also the server in the event's id", () => {
    expect(signersOf('1', { event_id: '$e:other.example' })).toEqual(['domain', 'other.example'])
    expect(signersOf('2', { event_id: '$e:other.example:1' })).toEqual(['domain', 'other.example:1'])
  })
  test('from version 8 the server of who authorised a join', () => {
    const join = member({ membership: 'join', join_authorised_via_users_server: '@c:c.example' })
    expect(signersOf('7', join)).toEqual(['b.example'])
    for (const id of ['8', '9', '12']) expect(signersOf(id, join)).toEqual(['b.example', 'c.example'])
    expect(signersOf('9', member({ membership: 'join', join_authorised_via_users_server: 'c' }))).toEqual(['b.example'])
    expect(signersOf('9', { content: { join_authorised_via_users_server: '@c:c.example' } })).toEqual(['domain'])
  })
  test('not the sender of an invite by third-party identifier', () => {
    const invite = member({ membership: 'invite', third_party_invite: { signed: {} } })
    expect(signersOf('11', invite)).toEqual([])
    expect(signersOf('1', { ...invite, event_id: '$e:d.example' })).toEqual(['d.example'])
    expect(signersOf('11', member({ membership: 'join', third_party_invite: {} }))).toEqual(['b.example'])
  })
})
