import { expect, test } from 'vitest'
import type { ServerName } from '../../../src/protocol/ids.ts'
import { leaseDestination } from '../../../src/store/destinations.ts'
import { FakeNetwork } from '../../support/fake-net.ts'
import { Home } from '../../support/federation.ts'
import { engines, makePlace } from '../../support/store.ts'
import { VirtualClock } from '../../support/virtual-clock.ts'

const peer = 'b.test' as ServerName

/** A peer that notes what it gets, and whether two requests were ever with it at once. */
function listening(network: FakeNetwork, clock: VirtualClock) {
  const got = { numbers: [] as number[], ids: [] as string[], mostAtOnce: 0 }
  let now = 0
  network.add(peer, async (request) => {
    if (request.method !== 'PUT') return new Response(null, { status: 404 })
    got.mostAtOnce = Math.max(got.mostAtOnce, ++now)
    await clock.sleep(200)
    now--
    got.ids.push(request.url.split('/').at(-1) ?? '')
    got.numbers.push(...((await request.json()) as { pdus: { n: number }[] }).pdus.map(({ n }) => n))
    return Response.json({ pdus: {} })
  })
  return got
}

test.skipIf(!engines.includes('postgres'))(
  'of two processes only one sends to a destination, and the other takes over when it dies',
  async () => {
    const clock = new VirtualClock()
    const network = new FakeNetwork(clock)
    await using place = await makePlace('postgres')
    const first = await Home.make('a.test', { clock, network, place })
    const second = await Home.make('a.test', { clock, network, place, ownKeys: first.ownKeys })
    const got = listening(network, clock)
    const servers = await first.room(1, [peer])
    await first.outbound.start()
    await second.outbound.start()
    const said: number[] = []
    for (let round = 0; round < 10; round++) {
      said.push(...(await first.say(1, 7)))
      first.outbound.wake(servers)
      second.outbound.wake(servers)
      await clock.advance(500)
    }
    await clock.until(() => got.numbers.length >= said.length)
    expect(got.numbers).toEqual(said)
    expect(got.mostAtOnce).toBe(1)
    // the first one dies while it has the lease
    await first.outbound.stop()
    await first.database.write((tx) => leaseDestination(tx, servers[0] as number, clock.now(), clock.now() + 9000))
    const more = await first.say(1, 3)
    const took = await clock.until(() => got.numbers.length >= said.length + 3)
    expect(took).toBeLessThan(20_000)
    expect(got.numbers.slice(said.length)).toEqual(more)
    await second.outbound.stop()
  },
)

test('what one process queued and did not send is found by the next', async () => {
  const clock = new VirtualClock()
  const network = new FakeNetwork(clock)
  const got = listening(network, clock)
  const first = await Home.make('a.test', { clock, network })
  await first.room(1, [peer])
  const said = await first.say(1, 5)
  await first.database.close()
  await using second = await Home.make('a.test', { clock, network, place: first.place, ownKeys: first.ownKeys })
  await second.outbound.start()
  await clock.until(() => got.numbers.length >= 5)
  expect(got.numbers).toEqual(said)
})

test('5,000 destinations are begun with one after the other, not all at once', async () => {
  const clock = new VirtualClock()
  const network = new FakeNetwork(clock)
  await using home = await Home.make('a.test', { clock, network, syncsAtOnce: true })
  const names = Array.from({ length: 5000 }, (_, i) => `h${i}.test:1`)
  const begun: number[] = []
  for (const name of names) {
    network.add(name, () => {
      begun.push(clock.monotonic())
      return Response.json({ pdus: {} })
    })
  }
  await home.room(1, names)
  await home.say(1, 1)
  await home.outbound.start()
  // half of what would be due in 10 s is plenty to see the pace
  await clock.until(() => begun.length >= 300, 60_000)
  const inFirstSecond = begun.filter((at) => at < 1000).length
  expect(inFirstSecond).toBeLessThan(200)
})
