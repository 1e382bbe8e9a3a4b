import { expect, test } from 'vitest'
import { parseEdu, parseReceipts, parseTyping } from '../../../src/federation/edus.ts'
import type { ServerName } from '../../../src/protocol/ids.ts'
import type { Json, JsonObject } from '../../../src/protocol/json-types.ts'

const origin = 'peer.test' as ServerName
const eventId = `$${'e'.repeat(43)}`
const receipt = (more: JsonObject = {}): JsonObject => ({ data: { ts: 7 }, event_ids: [eventId], ...more })

test('receipts of the origin’s own users are taken, public ones only', () => {
  const content = {
    '!r:x.test': { 'm.read': { '@a:peer.test': receipt() }, 'm.read.private': { '@a:peer.test': receipt() } },
    '!s:x.test': { 'm.read': { '@b:peer.test': receipt({ data: { ts: 8, thread_id: 'main' } }) } },
  }
  expect(parseReceipts(content, origin)).toEqual([
    { roomId: '!r:x.test', userId: '@a:peer.test', eventId, threadId: undefined, ts: 7 },
    { roomId: '!s:x.test', userId: '@b:peer.test', eventId, threadId: 'main', ts: 8 },
  ])
})

test.each(['@a:other.test', '@a:peer.test:8448', '@a:PEER.TEST', '@a:sub.peer.test', '@a:us.test', 'a', ''])(
  'nothing is taken of %s, who is not a user of the origin',
  (userId) => {
    expect(parseReceipts({ '!r:x.test': { 'm.read': { [userId]: receipt() } } }, origin)).toEqual([])
    expect(parseTyping({ room_id: '!r:x.test', user_id: userId, typing: true }, origin)).toBeUndefined()
  },
)

test.each<[Json]>([
  [null],
  [[]],
  [{}],
  [{ event_ids: [] }],
  [{ event_ids: 'x', data: {} }],
  [{ event_ids: [7] }],
  [receipt({ data: { thread_id: 7 } })],
  [receipt({ data: { thread_id: '' } })],
])('a receipt that is %j is left out, its neighbour is not', (bad) => {
  const content = { '!r:x.test': { 'm.read': { '@a:peer.test': bad, '@b:peer.test': receipt() } } }
  expect(parseReceipts(content, origin).map(({ userId }) => userId)).toEqual(['@b:peer.test'])
})

test('a flood of receipts is cut off', () => {
  const users = Object.fromEntries(Array.from({ length: 5000 }, (_, i) => [`@u${i}:peer.test`, receipt()]))
  expect(parseReceipts({ '!r:x.test': { 'm.read': users } }, origin)).toHaveLength(500)
})

test('what is no EDU is none', () => {
  expect(parseEdu({ edu_type: 'x', content: {} })).toEqual({ type: 'x', content: {} })
  for (const value of [
    null,
    [],
    'x',
    {},
    { edu_type: 7, content: {} },
    { edu_type: 'x' },
    { edu_type: 'x', content: [] },
  ]) {
    expect(parseEdu(value)).toBeUndefined()
  }
})
