import { expect, test } from 'vitest'
import { resolveState } from '../../../../src/protocol/state-resolution/resolve.ts'
import { largeRoom } from '../../../support/large-room.ts'

test.each(['1', '11', '12'])('10,000 members, 8 forks of 100 joins and 5 power events, version %s', (id) => {
  const room = largeRoom(id, 8)
  expect(resolveState(room.input(8)).size).toBe(room.size)
})
