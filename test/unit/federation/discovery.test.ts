import { expect, test } from 'vitest'
import { Discovery, orderSrv, type Route } from '../../../src/federation/discovery.ts'
import type { ServerName } from '../../../src/protocol/ids.ts'
import { systemRandom } from '../../../src/util/system-ports.ts'
import { FakeNetwork } from '../../support/fake-net.ts'
import { VirtualClock } from '../../support/virtual-clock.ts'

const hourMs = 3_600_000

function world(staticRoutes: Record<string, string> = {}) {
  const clock = new VirtualClock()
  const network = new FakeNetwork(clock)
  const discovery = new Discovery({
    net: network.netFor('us'),
    dns: network.dns,
    clock,
    random: systemRandom,
    staticRoutes,
  })
  const asked = () => network.log.filter((line) => line.includes('.well-known')).length
  const routes = async (name: string) => (await discovery.routes(name as ServerName)).map(short)
  const wellKnown = (host: string, server: unknown, headers: Record<string, string> = {}) =>
    network.add(host, () => Response.json({ 'm.server': server }, { headers }))
  return { clock, network, discovery, asked, routes, wellKnown }
}

const short = ({ host, certificateName, dial, guard }: Route) =>
  `${host} ${certificateName} ${dial.host} ${dial.port} ${guard}`

test.each([
  ['192.0.2.7', '192.0.2.7 192.0.2.7 192.0.2.7 8448 public'],
  ['192.0.2.7:99', '192.0.2.7:99 192.0.2.7 192.0.2.7 99 public'],
  ['[2001:db8::1]', '[2001:db8::1] 2001:db8::1 2001:db8::1 8448 public'],
  ['[2001:db8::1]:99', '[2001:db8::1]:99 2001:db8::1 2001:db8::1 99 public'],
  ['example.org:99', 'example.org:99 example.org example.org 99 public'],
])('steps 1 and 2: %s is dialled as it is, nothing is asked', async (name, expected) => {
  const { routes, asked } = world()
  expect(await routes(name)).toEqual([expected])
  expect(asked()).toBe(0)
})

test.each([
  ['192.0.2.7', '192.0.2.7 192.0.2.7 192.0.2.7 8448 public'],
  ['192.0.2.7:99', '192.0.2.7:99 192.0.2.7 192.0.2.7 99 public'],
  ['hs.example.org:99', 'hs.example.org:99 hs.example.org hs.example.org 99 public'],
  ['hs.example.org', 'hs.example.org hs.example.org hs.example.org 8448 public'],
])('step 3: delegated to %s', async (delegated, expected) => {
  const { routes, wellKnown } = world()
  wellKnown('example.org', delegated)
  expect(await routes('example.org')).toEqual([expected])
})

test('steps 3.3 and 3.4: SRV of the delegated name, the new service before the old', async () => {
  const { routes, wellKnown, network } = world()
  wellKnown('example.org', 'hs.example.org')
  network.srv.set('_matrix._tcp.hs.example.org', [{ name: 'old.example.net', port: 1, priority: 1, weight: 1 }])
  expect(await routes('example.org')).toEqual(['hs.example.org hs.example.org old.example.net 1 public'])
  network.srv.set('_matrix-fed._tcp.two.example.org', [{ name: 'new.example.net', port: 2, priority: 1, weight: 1 }])
  network.srv.set('_matrix._tcp.two.example.org', [{ name: 'old.example.net', port: 1, priority: 1, weight: 1 }])
  wellKnown('second.org', 'two.example.org')
  expect(await routes('second.org')).toEqual(['two.example.org two.example.org new.example.net 2 public'])
})

test('steps 4 to 6: without a valid well-known SRV of the name itself, then 8448', async () => {
  const { routes, network } = world()
  network.srv.set('_matrix-fed._tcp.example.org', [
    { name: 'b.example.net', port: 2, priority: 20, weight: 1 },
    { name: 'a.example.net', port: 1, priority: 10, weight: 1 },
  ])
  expect(await routes('example.org')).toEqual([
    'example.org example.org a.example.net 1 public',
    'example.org example.org b.example.net 2 public',
  ])
  expect(await routes('plain.org')).toEqual(['plain.org plain.org plain.org 8448 public'])
})

test('an SRV record that says that there is no service is believed', async () => {
  const { routes, network } = world()
  network.srv.set('_matrix-fed._tcp.example.org', [{ name: '.', port: 0, priority: 0, weight: 0 }])
  expect(await routes('example.org')).toEqual([])
})

test.each([
  ['no JSON', () => new Response('<html>')],
  ['a list', () => Response.json([])],
  ['no m.server', () => Response.json({})],
  ['m.server no string', () => Response.json({ 'm.server': 7 })],
  ['m.server no server name', () => Response.json({ 'm.server': 'https://x.org/' })],
  ['404', () => Response.json({ 'm.server': 'x.org:1' }, { status: 404 })],
  ['51 KiB', () => Response.json({ 'm.server': 'x.org:1', pad: 'x'.repeat(51 * 1024) })],
  [
    'redirects without end',
    () => new Response(null, { status: 302, headers: { location: '/.well-known/matrix/server' } }),
  ],
])('an invalid well-known (%s) counts as none', async (_what, answer) => {
  const { routes, network } = world()
  network.add('example.org', answer)
  expect(await routes('example.org')).toEqual(['example.org example.org example.org 8448 public'])
})

test('a redirected well-known is followed', async () => {
  const { routes, network, wellKnown } = world()
  network.add(
    'example.org',
    () => new Response(null, { status: 301, headers: { location: 'https://www.example.org/wk' } }),
  )
  wellKnown('www.example.org', 'hs.example.org:1')
  expect(await routes('example.org')).toEqual(['hs.example.org:1 hs.example.org hs.example.org 1 public'])
})

test.each([
  [{}, 24 * hourMs],
  [{ 'cache-control': 'max-age=7200' }, 2 * hourMs],
  [{ 'cache-control': 'public, max-age=99999999' }, 48 * hourMs],
  [{ 'cache-control': 'no-store' }, 5 * 60_000],
  [{ 'cache-control': 'max-age=0' }, 5 * 60_000],
])('a well-known with headers %j is kept for %d ms', async (headers, keptMs) => {
  const { routes, clock, asked, wellKnown } = world()
  wellKnown('example.org', 'hs.example.org:1', headers)
  await routes('example.org')
  await clock.advance(keptMs - 1)
  await routes('example.org')
  expect(asked()).toBe(1)
  // what is made of it is kept for five more minutes at most
  await clock.advance(5 * 60_000 + 2)
  await routes('example.org')
  expect(asked()).toBe(2)
})

test('failures are cached, longer and longer up to an hour, and do not undo a delegation at once', async () => {
  const { routes, clock, asked, network, wellKnown } = world()
  for (let minute = 0; minute < 10 * 60; minute++) {
    await routes('dead.org')
    await clock.advance(60_000)
  }
  expect(asked()).toBeGreaterThan(10)
  expect(asked()).toBeLessThan(30)
  wellKnown('example.org', 'hs.example.org:1', { 'cache-control': 'max-age=3600' })
  const delegated = ['hs.example.org:1 hs.example.org hs.example.org 1 public']
  expect(await routes('example.org')).toEqual(delegated)
  network.remove('example.org')
  await clock.advance(2 * hourMs)
  expect(await routes('example.org')).toEqual(delegated)
  await clock.advance(50 * hourMs)
  expect(await routes('example.org')).toEqual(['example.org example.org example.org 8448 public'])
})

test('a static route is used instead of discovery, and may be internal', async () => {
  const { routes, asked } = world({ 'example.org': '127.0.0.1:1234', 'six.org': '[::1]:1' })
  expect(await routes('example.org')).toEqual(['example.org example.org 127.0.0.1 1234 configured'])
  expect(await routes('six.org')).toEqual(['six.org six.org ::1 1 configured'])
  expect(asked()).toBe(0)
})

test('questions at the same time are one', async () => {
  const { routes, asked, wellKnown } = world()
  wellKnown('example.org', 'hs.example.org:1')
  await Promise.all(Array.from({ length: 20 }, () => routes('example.org')))
  expect(asked()).toBe(1)
})

test('SRV records of one priority are taken by weight', () => {
  const records = [
    { name: 'heavy', port: 1, priority: 1, weight: 90 },
    { name: 'light', port: 1, priority: 1, weight: 10 },
    { name: 'last', port: 1, priority: 2, weight: 100 },
  ]
  const firsts = Array.from({ length: 500 }, () => orderSrv(records, systemRandom)[0]?.name)
  expect(firsts.filter((name) => name === 'heavy').length).toBeGreaterThan(350)
  expect(firsts).toContain('light')
  expect(firsts).not.toContain('last')
})
