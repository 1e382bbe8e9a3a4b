import { expect, test } from 'vitest'
import type { UserId } from '../../../src/protocol/ids.ts'
import { makeEngine } from '../../support/engine.ts'
import { usualEngine } from '../../support/store.ts'

// more places of a room's state than are kept in memory at once (StateMemo)
const many = 340

test('everybody comes in and is heard, however many places of the state are looked at', async () => {
  await using engine = await makeEngine(usualEngine)
  const alice = await engine.user('alice')
  const { id } = await engine.room(alice, { joinRule: 'public' })
  const users: UserId[] = []
  for (let i = 0; i < many; i++) users.push(await engine.user(`user${i}`))
  for (const user of users)
    await engine.append(id, { type: 'm.room.member', stateKey: user, content: { membership: 'join' }, sender: user })
  for (const sender of users) {
    const content = { msgtype: 'm.text', body: sender }
    const { authEventIds } = await engine.append(id, { type: 'm.room.message', content, sender })
    // the create event, power levels, the sender's membership
    expect(authEventIds).toHaveLength(3)
  }
})
