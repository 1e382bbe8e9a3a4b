import { expect, test } from 'vitest'
import type { ServerName } from '../../../src/protocol/ids.ts'
import { bumpEpoch } from '../../../src/store/epochs.ts'
import { FakeNetwork } from '../../support/fake-net.ts'
import { Home, prepareAll } from '../../support/federation.ts'
import { VirtualClock, turns } from '../../support/virtual-clock.ts'

interface Received {
  readonly txnId: string
  readonly body: string
  readonly pdus: readonly { readonly n: number; readonly type: string }[]
  readonly edus: readonly { readonly edu_type: string; readonly content: Readonly<Record<string, unknown>> }[]
}

/** A peer that takes transactions; `answer` may refuse. */
class Peer {
  readonly received: Received[] = []
  answer: (transaction: Received) => Response | Promise<Response> = () => Response.json({ pdus: {} })

  constructor(network: FakeNetwork, name: string) {
    const handle = async (request: Request) => {
      const { pathname } = new URL(request.url)
      if (!pathname.startsWith('/_matrix/federation/v1/send/')) return new Response(null, { status: 404 })
      const body = await request.text()
      const { pdus, edus = [] } = JSON.parse(body) as Partial<Received> & Pick<Received, 'pdus'>
      const transaction = { txnId: pathname.slice(28), body, pdus, edus }
      this.received.push(transaction)
      return this.answer(transaction)
    }
    network.add(name, handle)
  }

  get numbers(): number[] {
    return this.received.flatMap(({ pdus }) => pdus.map(({ n }) => n))
  }
}

const hourMs = 3_600_000
const dayMs = 24 * hourMs

test('events arrive in order, at most 50 in a transaction, one transaction at a time', async () => {
  await using home = await Home.make('a.test')
  const peer = new Peer(home.network, 'b.test')
  let inFlight = 0
  peer.answer = async () => {
    expect(++inFlight).toBe(1)
    await home.clock.sleep(100)
    inFlight--
    return Response.json({ pdus: {} })
  }
  await home.outbound.start()
  const servers = await home.room(1, ['b.test'])
  const said = await home.say(1, 120)
  home.outbound.wake(servers)
  await home.clock.until(() => peer.numbers.length >= 120)
  expect(peer.numbers).toEqual(said)
  expect(peer.received.map(({ pdus }) => pdus.length)).toEqual([50, 50, 20])
})

test('the same transaction, id and body, is sent until it is acknowledged, also after a restart', async () => {
  const clock = new VirtualClock()
  const network = new FakeNetwork(clock)
  const peer = new Peer(network, 'b.test')
  const first = await Home.make('a.test', { clock, network })
  await first.outbound.start()
  const servers = await first.room(1, ['b.test'])
  await first.say(1)
  network.setFault('a.test', 'b.test', { cut: 'lose-answer' })
  first.outbound.wake(servers)
  await clock.until(() => first.destinations.isFailing('b.test' as ServerName))
  await first.say(1)
  await first.outbound.stop()
  await first.destinations.settled()
  await first.database.close()
  network.heal()
  await using home = await Home.make('a.test', { clock, network, place: first.place, ownKeys: first.ownKeys })
  await home.outbound.start()
  await clock.until(() => peer.numbers.length >= 3)
  expect(peer.received[1]?.txnId).toBe(peer.received[0]?.txnId)
  expect(peer.received[1]?.body).toBe(peer.received[0]?.body)
  expect(peer.numbers).toEqual([1, 1, 2])
})

test('backoff doubles from 30 s to an hour on the first day, then to 24 hours', { timeout: 120_000 }, async () => {
  await using home = await Home.make('a.test', { syncsAtOnce: true })
  await home.outbound.start()
  const servers = await home.room(1, ['gone.test'])
  await home.say(1)
  const tries: number[] = []
  home.network.add('gone.test', (request) => {
    if (request.method === 'PUT') tries.push(home.clock.monotonic())
    return new Response('no', { status: 502 })
  })
  home.outbound.wake(servers)
  await home.clock.until(() => tries.length >= 40, 30 * dayMs)
  const waits = tries.slice(1).map((at, index) => at - (tries[index] as number))
  expect(waits[0]).toBeGreaterThan(25_000)
  expect(waits[0]).toBeLessThan(35_000)
  expect(Math.max(...waits.slice(0, 20))).toBeLessThan(1.2 * hourMs)
  expect(Math.max(...waits)).toBeGreaterThan(20 * hourMs)
  expect(Math.max(...waits)).toBeLessThan(27 * hourMs)
})

test.each([hourMs, dayMs, 7 * dayMs])(
  'a peer that is back after %d ms gets everything within 60 s of its first sign of life',
  { timeout: 120_000 },
  async (away) => {
    await using home = await Home.make('a.test', { syncsAtOnce: true })
    await home.outbound.start()
    const servers = await home.room(1, ['b.test'])
    const [said] = await home.say(1)
    home.outbound.wake(servers)
    let now = 0
    await home.clock.until(() => home.destinations.isFailing('b.test' as ServerName))
    while (now < away) {
      await home.clock.advance(Math.min(hourMs, away - now))
      now += hourMs
      await home.clock.until(() => home.clock.pending > 1)
    }
    const peer = new Peer(home.network, 'b.test')
    home.destinations.contacted('b.test' as ServerName)
    const took = await home.clock.until(() => peer.numbers.length > 0)
    expect(took).toBeLessThan(60_000)
    expect(peer.numbers).toEqual([said])
  },
)

test('after a long absence redactions come first, all of them, then the newest event, and the rest is left to backfill', async () => {
  await using home = await Home.make('a.test')
  await home.room(1, ['b.test'])
  await home.say(1, 200)
  const some = await home.say(1, 60, 'm.room.redaction')
  await home.say(1, 300)
  const others = await home.say(1, 5, 'm.room.redaction')
  const end = await home.say(1, 200)
  const peer = new Peer(home.network, 'b.test')
  await home.outbound.start()
  await home.clock.until(() => peer.numbers.includes(end.at(-1) as number))
  expect(peer.numbers.slice(0, 65)).toEqual([...some, ...others])
  expect(peer.numbers.slice(65)).toEqual([end.at(-1)])
  const next = await home.say(1, 2)
  home.outbound.wake(['b.test' as ServerName])
  await home.clock.until(() => peer.numbers.includes(next[1] as number))
  expect(peer.numbers.slice(66)).toEqual(next)
})

test('after an absence with few events they come in order', async () => {
  await using home = await Home.make('a.test')
  await home.room(1, ['b.test'])
  const said = await home.say(1, 60)
  const peer = new Peer(home.network, 'b.test')
  await home.outbound.start()
  await home.clock.until(() => peer.numbers.length >= 60)
  expect(peer.numbers).toEqual(said)
})

test('a server that left gets the events up to its leave, and its mark goes', async () => {
  await using home = await Home.make('a.test')
  const [nid] = (await home.room(1, ['b.test'])) as [number]
  const said = await home.say(1, 3)
  const { endOutboundRoom } = await import('../../../src/store/outbound-marks.ts')
  await home.database.write((tx) => endOutboundRoom(tx, nid, 1, said[1] as number))
  const peer = new Peer(home.network, 'b.test')
  await home.outbound.start()
  await home.clock.until(() => peer.numbers.length >= 2)
  await home.clock.advance(1000)
  expect(peer.numbers).toEqual(said.slice(0, 2))
  const { listWaitingDestinations } = await import('../../../src/store/outbound.ts')
  await home.clock.until(async () => (await home.database.read(listWaitingDestinations)).length === 0)
})

test('for a server that had everything when it left nothing waits, whatever is said later', async () => {
  await using home = await Home.make('a.test')
  const [nid] = (await home.room(1, ['b.test'])) as [number]
  const said = await home.say(1, 2)
  const peer = new Peer(home.network, 'b.test')
  await home.outbound.start()
  const { isAnythingWaiting, listWaitingDestinations } = await import('../../../src/store/outbound.ts')
  await home.clock.until(async () => !(await home.database.read((conn) => isAnythingWaiting(conn, nid))))
  const { endOutboundRoom } = await import('../../../src/store/outbound-marks.ts')
  // its leave is an event of its own, newer than our last one
  await home.database.write((tx) => endOutboundRoom(tx, nid, 1, (said[1] as number) + 1))
  await home.say(1, 1)
  expect(await home.database.read(listWaitingDestinations)).toEqual([])
  expect(peer.numbers).toEqual(said)
})

test('events of users of the destination, relayed by us, do not go back to it', async () => {
  await using home = await Home.make('a.test')
  await home.room(1, ['b.test', 'c.test'])
  const b = new Peer(home.network, 'b.test')
  const c = new Peer(home.network, 'c.test')
  await home.database.write(async (tx) => {
    await home.sayIn(tx, 1, 1, 'm.room.message', '@u:a.test')
  })
  const { sqlRun } = await import('../../../src/store/query.ts')
  const relay = sqlRun<{ nid: number }>('test_relay', 'update events set local = true where event_nid = :nid')
  const setLast = sqlRun<{ nid: number }>('test_relayLast', 'update rooms set last_local_nid = :nid')
  const [joined] = await home.say(1, 1, 'm.room.member', '@v:b.test')
  await home.database.write(async (tx) => {
    await relay(tx, { nid: joined as number })
    await setLast(tx, { nid: joined as number })
  })
  await home.outbound.start()
  await home.clock.until(() => c.numbers.length >= 2 && b.numbers.length >= 1)
  await home.clock.advance(1000)
  expect(c.numbers).toEqual([1, 2])
  expect(b.numbers).toEqual([1])
})

test('reliable EDUs arrive in order, at most 100 in a transaction, and once', async () => {
  await using home = await Home.make('a.test')
  const peer = new Peer(home.network, 'b.test')
  await home.outbound.start()
  const [nid] = (await home.room(1, ['b.test'])) as [number]
  for (let i = 0; i < 130; i++) {
    await home.database.write((tx) => home.outbound.queueEdu(tx, nid, 'm.direct_to_device', 1, { i }))
  }
  await home.clock.until(() => peer.received.flatMap(({ edus }) => edus).length >= 130)
  await home.clock.advance(60_000)
  expect(peer.received.flatMap(({ edus }) => edus.map(({ content }) => content['i']))).toEqual([...Array(130).keys()])
  expect(Math.max(...peer.received.map(({ edus }) => edus.length))).toBeLessThanOrEqual(100)
})

test('ephemeral EDUs of one key are sent once, as they were last; none are kept for a server that is away', async () => {
  await using home = await Home.make('a.test')
  const peer = new Peer(home.network, 'b.test')
  peer.answer = async () => {
    await home.clock.sleep(1000)
    return Response.json({ pdus: {} })
  }
  await home.room(1, ['b.test'])
  await home.outbound.start()
  for (let i = 0; i < 50; i++) {
    home.outbound.sendEphemeral(['b.test' as ServerName], { type: 'm.typing', content: { i }, key: 'typing' })
    await home.clock.advance(0)
  }
  await home.clock.until(() => peer.received.length >= 2)
  expect(peer.received.map(({ edus }) => edus.map(({ content }) => content['i']))).toEqual([[0], [49]])
  home.network.remove('b.test')
  home.outbound.sendEphemeral(['b.test' as ServerName], { type: 'm.typing', content: {}, key: 'typing' })
  await home.clock.until(() => home.destinations.isFailing('b.test' as ServerName))
  home.outbound.sendEphemeral(['b.test' as ServerName], { type: 'm.typing', content: {}, key: 'typing' })
  const back = new Peer(home.network, 'b.test')
  await home.clock.advance(hourMs)
  expect(back.received).toEqual([])
})

test('a transaction with an event of somebody who was erased meanwhile is rebuilt under a new id', async () => {
  let isErased = false
  const prepare: typeof prepareAll = async (conn, server, nids) => {
    const texts = await prepareAll(conn, server, nids)
    return isErased ? texts.map((text) => text.replace('"type"', '"pruned":true,"type"')) : texts
  }
  await using home = await Home.make('a.test', { prepare })
  const peer = new Peer(home.network, 'b.test')
  peer.answer = () => new Response(null, { status: 500 })
  const servers = await home.room(1, ['b.test'])
  await home.outbound.start()
  await home.say(1)
  home.outbound.wake(servers)
  await home.clock.until(() => peer.received.length === 2)
  isErased = true
  await home.database.write((tx) => bumpEpoch(tx, 'erasures'))
  peer.answer = () => Response.json({ pdus: {} })
  await home.clock.until(() => peer.received.length === 3)
  expect(peer.received[1]?.txnId).toBe(peer.received[0]?.txnId)
  expect(peer.received[2]?.txnId).not.toBe(peer.received[0]?.txnId)
  expect(peer.received[2]?.body).toContain('"pruned":true')
})

test('an event that a peer refuses as it is does not block those behind it', async () => {
  await using home = await Home.make('a.test')
  const peer = new Peer(home.network, 'b.test')
  peer.answer = ({ pdus }) =>
    pdus.some(({ n }) => n === 7)
      ? Response.json({ errcode: 'M_BAD_JSON' }, { status: 400 })
      : Response.json({ pdus: {} })
  const servers = await home.room(1, ['b.test'])
  await home.outbound.start()
  await home.say(1, 20)
  home.outbound.wake(servers)
  const taken = () =>
    peer.received.filter(({ pdus }) => !pdus.some(({ n }) => n === 7)).flatMap(({ pdus }) => pdus.map(({ n }) => n))
  await home.clock.until(() => taken().includes(20), dayMs)
  expect(taken()).toEqual(Array.from({ length: 20 }, (_, i) => i + 1).filter((n) => n !== 7))
})

test('500 hanging destinations do not keep an answering one waiting', async () => {
  await using home = await Home.make('a.test')
  const peer = new Peer(home.network, 'zz.test')
  const names = Array.from({ length: 500 }, (_, i) => `h${i}.test`)
  for (const name of names) {
    home.network.add(name, () => new Response(null, { status: 404 }))
    home.network.setFault('*', name, { cut: 'hang' })
    home.network.setFault('*', `${name}:8448`, { cut: 'hang' })
  }
  const servers = await home.room(1, [...names, 'zz.test'])
  await home.outbound.start()
  await home.say(1)
  home.outbound.wake(servers)
  // the clock stands still: no hanging one gives its place up
  for (const end = performance.now() + 20_000; peer.numbers.length === 0 && performance.now() < end;) await turns(1)
  expect(peer.numbers).toHaveLength(1)
  expect(home.clock.monotonic()).toBeLessThan(60_000)
})
