import { expect, test } from 'vitest'
import { RowMemory } from '../../../src/rooms/row-memory.ts'
import type { ReadRow } from '../../../src/store/read-rows.ts'

const row: ReadRow = {
  event_nid: 7,
  event_id: '$a',
  type: 'm.room.message',
  state_key_nid: null,
  sender_nid: 1,
  origin_server_ts: 1,
  ord: 1,
  writer: 1,
  pos: 1,
  state_before: 1,
  state_after: 1,
  current_after: null,
  rejected: null,
  soft_failed: false,
  backfilled: false,
  local: true,
  redacted_by: null,
  pruned_ts: null,
  json: '{"content":{"body":"x"}}',
}

test.each([
  ['redacted', { redacted_by: 9 }],
  ['pruned', { pruned_ts: 9 }],
  ['outside the timeline', { ord: null }],
])('a row that is %s is not kept, nor what was known of it when it was whole', (_, change) => {
  const memory = new RowMemory()
  memory.put({ ...row })
  expect(memory.find(7)?.json).toContain('body')
  memory.put({ ...row, ...change, json: '{"content":{}}' })
  expect(memory.find(7)).toBeUndefined()
  expect(memory.findMarked(7, false)).toBeUndefined()
})

test('its texts are one list, whatever is known of its children', () => {
  const memory = new RowMemory()
  memory.put({ ...row })
  const [without, related] = [memory.findMarked(7, false), memory.findMarked(7, true)]
  expect([without?.has_children, related?.has_children]).toEqual([false, true])
  expect(memory.find(7)?.has_children).toBeUndefined()
  expect(memory.find(7)?.texts).toBe(related?.texts)
  expect(without?.texts).toBe(related?.texts)
})
