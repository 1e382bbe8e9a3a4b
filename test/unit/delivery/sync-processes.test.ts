import { describe, expect, test } from 'vitest'
import { engines, makePlace } from '../../support/store.ts'
import { DeliveryWorld } from './delivery-world.ts'

describe.runIf(engines.includes('postgres'))('/sync with several processes', () => {
  test('a reader of one process gets what another writes, in any order of both, each once', async () => {
    await using place = await makePlace('postgres')
    await using world = await DeliveryWorld.start('postgres', place)
    const [alice, bob] = [await world.engine.user('alice'), await world.engine.user('bob')]
    const room = (await world.engine.room(alice)).id
    await world.join(room, bob)
    await using other = await DeliveryWorld.start('postgres', place)
    let { next_batch: next } = await other.sync(alice)
    const seen: unknown[] = []
    let isDone = false
    const writers = [world, other].map(async (from, w) => {
      for (let i = 0; i < 25; i++) await from.say(room, bob, `${w}-${i}`)
    })
    const all = Promise.all(writers).then(() => (isDone = true))
    for (let idle = 0; idle < 3;) {
      const answer = await other.sync(alice, next, { timeoutMs: 100, filter: { room: { timeline: { limit: 100 } } } })
      next = answer.next_batch
      const events = answer.rooms?.join?.[room]?.timeline.events ?? []
      seen.push(...events.map(({ content }: { content: { body?: string } }) => content.body))
      idle = isDone && events.length === 0 ? idle + 1 : 0
    }
    await all
    expect(seen).toHaveLength(50)
    expect(new Set(seen).size).toBe(50)
  })
})
