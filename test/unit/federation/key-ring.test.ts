import { expect, test } from 'vitest'
import type { RoomEvent } from '../../../src/protocol/event.ts'
import type { ServerName } from '../../../src/protocol/ids.ts'
import type { JsonObject } from '../../../src/protocol/json-types.ts'
import { parseEvent } from '../../../src/protocol/parse-event.ts'
import { findRoomVersion, type RoomVersion } from '../../../src/protocol/room-version.ts'
import { generateSigningKey, signEvent, signJson, type SigningKey } from '../../../src/protocol/sign.ts'
import { verifyRequest } from '../../../src/federation/verify-request.ts'
import { systemRandom } from '../../../src/util/system-ports.ts'
import { EvilServer, type Twist } from '../../support/evil.ts'
import { Home } from '../../support/federation.ts'

const dayMs = 24 * 3_600_000
const newKey = () => generateSigningKey((size) => systemRandom.bytes(size))

function message(
  home: Home,
  server: string,
  key: SigningKey,
  options: { version?: string; ts?: number; signer?: string; id?: string } = {},
): RoomEvent {
  const version = findRoomVersion(options.version ?? '10') as RoomVersion
  const fields: JsonObject = {
    type: 'm.room.message',
    room_id: '!r:x.test',
    sender: `@u:${server}`,
    content: { body: 'hi' },
    origin_server_ts: options.ts ?? home.clock.now(),
    depth: 5,
    prev_events: version.eventIdFormat === 'origin' ? [['$p:x.test', { sha256: 'x' }]] : [`$${'p'.repeat(43)}`],
    auth_events: version.eventIdFormat === 'origin' ? [['$p:x.test', { sha256: 'x' }]] : [`$${'p'.repeat(43)}`],
    ...(version.eventIdFormat === 'origin' ? { event_id: options.id ?? `$e:${server}` } : {}),
  }
  const event = parseEvent(version, signEvent(version, fields, options.signer ?? server, key))
  if ('errcode' in event) throw new Error(event.reason)
  return event
}

async function world(options: { notaries?: string[] } = {}) {
  const home = await Home.make('us.test', { trustedKeyServers: options.notaries ?? [] })
  const evil = (name: string) => {
    const server = new EvilServer(name, home.clock.now())
    home.network.add(name, server.handle)
    return server
  }
  const fetches = (name: string) => home.network.log.filter((line) => line.includes(`//${name}/_matrix/key`)).length
  return { home, evil, fetches, [Symbol.asyncDispose]: () => home[Symbol.asyncDispose]() }
}

test('an event with a right signature passes; its key is fetched once and kept over a restart', async () => {
  await using w = await world()
  const peer = w.evil('peer.test')
  expect(await w.home.keyRing.verifyEvent(message(w.home, 'peer.test', peer.key))).toBeUndefined()
  expect(await w.home.keyRing.verifyEvent(message(w.home, 'peer.test', peer.key))).toBeUndefined()
  expect(w.fetches('peer.test')).toBe(1)
  w.home.network.remove('peer.test')
  const { place, clock, network, ownKeys } = w.home
  await w.home.database.close()
  const again = await Home.make('us.test', { place, clock, network, ownKeys })
  expect(await again.keyRing.verifyEvent(message(again, 'peer.test', peer.key))).toBeUndefined()
})

test('unsigned, signed by another server, with another key id, over other bytes: refused', async () => {
  await using w = await world()
  const peer = w.evil('peer.test')
  const { keyRing } = w.home
  const good = message(w.home, 'peer.test', peer.key)
  const other = newKey()
  expect(await keyRing.verifyEvent(message(w.home, 'peer.test', peer.key, { signer: 'other.test' }))).toMatch(
    /not signed by peer/,
  )
  expect(await keyRing.verifyEvent(message(w.home, 'peer.test', other))).toMatch(/no valid key/)
  expect(await keyRing.verifyEvent(message(w.home, 'peer.test', { ...other, keyId: peer.key.keyId }))).toMatch(/wrong/)
  const { signatures: _signatures, ...unsigned } = good.pdu
  expect(await keyRing.verifyEvent({ ...good, pdu: unsigned })).toMatch(/not signed/)
  expect(await keyRing.verifyEvent({ ...good, pdu: { ...good.pdu, depth: 6 } })).toMatch(/wrong/)
})

test('one bad event among many fails alone, in batches too', async () => {
  await using w = await world()
  const peer = w.evil('peer.test')
  const events = Array.from({ length: 40 }, (_, i) => message(w.home, 'peer.test', peer.key, { ts: i }))
  const bad = { ...(events[17] as RoomEvent), pdu: { ...(events[17] as RoomEvent).pdu, depth: 9 } }
  const refusals = await w.home.keyRing.verifyEvents(events.with(17, bad))
  expect([...refusals.keys()]).toEqual([bad.eventId])
})

test('room versions 1 and 2 also want the signature of the server in the event id', async () => {
  await using w = await world()
  const peer = w.evil('peer.test')
  const namer = w.evil('namer.test')
  const version = findRoomVersion('1') as RoomVersion
  const alone = message(w.home, 'peer.test', peer.key, { version: '1', id: '$e:namer.test' })
  expect(await w.home.keyRing.verifyEvent(alone)).toMatch(/not signed by namer/)
  const both = parseEvent(version, signEvent(version, alone.pdu, 'namer.test', namer.key)) as RoomEvent
  expect(await w.home.keyRing.verifyEvent(both)).toBeUndefined()
})

test('an event later than the time of its key is refused from room version 5 on', async () => {
  await using w = await world()
  const peer = w.evil('peer.test')
  const late = peer.validUntilTs + 1
  expect(
    await w.home.keyRing.verifyEvent(message(w.home, 'peer.test', peer.key, { version: '4', ts: late })),
  ).toBeUndefined()
  expect(await w.home.keyRing.verifyEvent(message(w.home, 'peer.test', peer.key, { version: '5', ts: late }))).toMatch(
    /no valid key/,
  )
})

test('a key that claims to last for years counts for a week', async () => {
  await using w = await world()
  const peer = w.evil('peer.test')
  peer.validUntilTs = w.home.clock.now() + 4000 * dayMs
  const at = (days: number) => message(w.home, 'peer.test', peer.key, { ts: w.home.clock.now() + days * dayMs })
  expect(await w.home.keyRing.verifyEvent(at(6))).toBeUndefined()
  expect(await w.home.keyRing.verifyEvent(at(8))).toMatch(/no valid key/)
})

test('after a rotation the old key verifies old events, no new ones, and no requests', async () => {
  await using w = await world()
  const peer = w.evil('peer.test')
  const old = peer.key
  peer.key = newKey()
  const expired = w.home.clock.now() - dayMs
  peer.handlers.push(({ url }) =>
    url.endsWith('/key/v2/server')
      ? Response.json(
          peer.keyDocument({ old_verify_keys: { [old.keyId]: { key: old.publicKey, expired_ts: expired } } }),
        )
      : undefined,
  )
  const { home } = w
  expect(await home.keyRing.verifyEvent(message(home, 'peer.test', old, { ts: expired - 1 }))).toBeUndefined()
  expect(await home.keyRing.verifyEvent(message(home, 'peer.test', old, { ts: expired + 1 }))).toMatch(/no valid key/)
  expect(await home.keyRing.verifyEvent(message(home, 'peer.test', peer.key))).toBeUndefined()
  await expect(ask(home, peer, { key: old })).rejects.toMatchObject({ status: 401 })
  await expect(ask(home, peer)).resolves.toBe('peer.test')
})

test('of two keys under one id the current one of the server itself counts', async () => {
  await using w = await world({ notaries: ['notary.test'] })
  const peer = w.evil('peer.test')
  const liar = { ...newKey(), keyId: peer.key.keyId }
  const peerAlive = peer.keyDocument()
  const notary = w.evil('notary.test')
  const signed = signJson(
    { ...peer.keyDocument({}, liar), verify_keys: { [liar.keyId]: { key: liar.publicKey } } },
    'notary.test',
    notary.key,
  )
  notary.handlers.push(({ url }) =>
    url.endsWith('/key/v2/query') ? Response.json({ server_keys: [signed] }) : undefined,
  )
  let isUp = false
  peer.handlers.push(({ url }) =>
    url.endsWith('/key/v2/server')
      ? isUp
        ? Response.json(peerAlive)
        : new Response(null, { status: 503 })
      : undefined,
  )
  // as long as the server is down there is only the notary's word
  expect(await w.home.passing(w.home.keyRing.verifyEvent(message(w.home, 'peer.test', liar)))).toBeUndefined()
  isUp = true
  await w.home.clock.advance(8 * dayMs)
  peer.validUntilTs = w.home.clock.now() + dayMs
  const fresh = peer.keyDocument()
  peer.handlers.push(({ url }) => (url.endsWith('/key/v2/server') ? Response.json(fresh) : undefined))
  expect(await w.home.keyRing.verifyEvent(message(w.home, 'peer.test', peer.key))).toBeUndefined()
  expect(await w.home.keyRing.verifyEvent(message(w.home, 'peer.test', liar))).toMatch(/wrong/)
})

test('a notary puts no other key in the place of one that its server told', async () => {
  await using w = await world({ notaries: ['notary.test'] })
  const peer = w.evil('peer.test')
  const notary = w.evil('notary.test')
  expect(await w.home.keyRing.verifyEvent(message(w.home, 'peer.test', peer.key))).toBeUndefined()
  peer.handlers.push(({ url }) => (url.endsWith('/key/v2/server') ? new Response(null, { status: 503 }) : undefined))
  await w.home.clock.advance(8 * dayMs)
  const liar = { ...newKey(), keyId: peer.key.keyId }
  // the notary's own key has to be one that counts, or nothing that it says is looked at
  peer.validUntilTs = notary.validUntilTs = w.home.clock.now() + dayMs
  const document = { ...peer.keyDocument({}, liar), verify_keys: { [liar.keyId]: { key: liar.publicKey } } }
  const signed = signJson(document, 'notary.test', notary.key)
  notary.handlers.push(({ url }) =>
    url.endsWith('/key/v2/query') ? Response.json({ server_keys: [signed] }) : undefined,
  )
  expect(await w.home.passing(w.home.keyRing.verifyEvent(message(w.home, 'peer.test', liar)))).toMatch(/no valid key/)
  expect(notary.received.some(({ target }) => target.includes('/key/v2/query'))).toBe(true)
})

test.each([
  ['is not signed by the notary', (document: JsonObject) => document],
  ['is signed by another key', (document: JsonObject) => signJson(document, 'notary.test', newKey())],
  [
    'lacks the signature of its server',
    (document: JsonObject, notary: EvilServer) => signJson({ ...document, signatures: {} }, 'notary.test', notary.key),
  ],
  [
    'is of another server',
    (document: JsonObject, notary: EvilServer) =>
      signJson({ ...document, server_name: 'other.test' }, 'notary.test', notary.key),
  ],
])('a notary document that %s is not used', async (_what, twist) => {
  await using w = await world({ notaries: ['notary.test'] })
  const peer = new EvilServer('dead.test', w.home.clock.now())
  const notary = w.evil('notary.test')
  notary.handlers.push(({ url }) =>
    url.endsWith('/key/v2/query') ? Response.json({ server_keys: [twist(peer.keyDocument(), notary)] }) : undefined,
  )
  expect(await w.home.passing(w.home.keyRing.verifyEvent(message(w.home, 'dead.test', peer.key)))).toMatch(
    /no valid key/,
  )
})

test('an honest notary helps out for a server that is gone', async () => {
  await using w = await world({ notaries: ['notary.test'] })
  const peer = new EvilServer('dead.test', w.home.clock.now())
  const notary = w.evil('notary.test')
  notary.handlers.push(({ url }) =>
    url.endsWith('/key/v2/query')
      ? Response.json({ server_keys: [signJson(peer.keyDocument(), 'notary.test', notary.key)] })
      : undefined,
  )
  expect(await w.home.passing(w.home.keyRing.verifyEvent(message(w.home, 'dead.test', peer.key)))).toBeUndefined()
})

test.each<[string, (peer: EvilServer) => JsonObject]>([
  ['of another server', (peer) => ({ ...peer.keyDocument(), server_name: 'other.test' })],
  ['unsigned', (peer) => ({ ...peer.keyDocument(), signatures: {} })],
  [
    'signed by another key',
    (peer) => ({ ...peer.keyDocument(), signatures: { 'peer.test': { [peer.key.keyId]: 'A'.repeat(86) } } }),
  ],
  ['without an end of validity', (peer) => peer.keyDocument({ valid_until_ts: 'soon' })],
])('a key document %s is not used', async (_what, make) => {
  await using w = await world()
  const peer = w.evil('peer.test')
  peer.handlers.push(({ url }) => (url.endsWith('/key/v2/server') ? Response.json(make(peer)) : undefined))
  expect(await w.home.keyRing.verifyEvent(message(w.home, 'peer.test', peer.key))).toMatch(/no valid key/)
})

test('a key server that hangs never blocks the events of others', async () => {
  await using w = await world()
  const peer = w.evil('peer.test')
  const hanging = w.evil('hangs.test')
  w.home.network.setFault('*', 'hangs.test', { cut: 'hang' })
  let isDone = false
  const stuck = w.home.keyRing.verifyEvent(message(w.home, 'hangs.test', hanging.key)).then((verdict) => {
    isDone = true
    return verdict
  })
  expect(await w.home.keyRing.verifyEvent(message(w.home, 'peer.test', peer.key))).toBeUndefined()
  expect(isDone).toBe(false)
  expect(await w.home.clock.until(() => isDone)).toBeLessThanOrEqual(40_000)
  expect(await stuck).toMatch(/no valid key/)
})

test('a flood of unknown key ids costs one fetch a minute', async () => {
  await using w = await world()
  const peer = w.evil('peer.test')
  for (let i = 0; i < 50; i++) await ask(w.home, peer, { key: newKey() }).catch(() => {})
  expect(w.fetches('peer.test')).toBe(1)
  await w.home.clock.advance(61_000)
  await ask(w.home, peer, { key: newKey() }).catch(() => {})
  expect(w.fetches('peer.test')).toBe(2)
})

/** Requests in the names of servers of which nobody knows a key, and whose hosts do not answer. */
function askAsStrangers(home: Home, count: number, from = 0): Promise<unknown>[] {
  return Array.from({ length: count }, (_, i) => {
    const name = `stranger${from + i}.test` as ServerName
    home.network.setFault('*', name, { cut: 'hang' })
    home.network.setFault('*', `${name}:8448`, { cut: 'hang' })
    const header = { origin: name, destination: home.name, key: 'ed25519:a', signature: 'x' }
    const request = { method: 'GET', uri: '/x', origin: name, destination: home.name, content: undefined }
    return home.keyRing.verifyRequest(request, header)
  })
}

test('strangers whose servers hang hold up nobody of whom a key is known', async () => {
  await using w = await world()
  const peer = w.evil('peer.test')
  await ask(w.home, peer)
  const stuck = askAsStrangers(w.home, 600)
  await w.home.clock.advance(61_000)
  const next = newKey()
  peer.key = next
  stuck.push(...askAsStrangers(w.home, 600, 600))
  // a new key of a known server is fetched, whatever hangs
  expect(await ask(w.home, peer)).toBe('peer.test')
  await w.home.clock.until(() => false, 300_000).catch(() => {})
  await Promise.allSettled(stuck)
})

test('no more strangers wait than the queue is long: the others are refused at once', async () => {
  await using w = await world()
  const stuck = askAsStrangers(w.home, 256 + 1024)
  const settled: unknown[] = []
  for (const each of stuck) void each.then((verdict) => settled.push(verdict))
  const [verdict] = await Promise.all(askAsStrangers(w.home, 1, 5000))
  expect(verdict).toMatch(/not known/)
  expect(settled).toEqual([])
  await w.home.clock.until(() => settled.length === stuck.length)
})

test('an event in our name is verified with our own keys, current and old, without asking anybody', async () => {
  const old = newKey()
  const current = newKey()
  const now = Date.UTC(2026, 0, 1)
  await using home = await Home.make('us.test', {
    ownKeys: { current, old: [{ keyId: old.keyId, publicKey: old.publicKey, expiredTs: now }] },
  })
  expect(await home.keyRing.verifyEvent(message(home, 'us.test', current))).toBeUndefined()
  expect(await home.keyRing.verifyEvent(message(home, 'us.test', old, { ts: now - 1 }))).toBeUndefined()
  expect(await home.keyRing.verifyEvent(message(home, 'us.test', old, { ts: now + 1 }))).toMatch(/no valid key/)
  expect(await home.keyRing.verifyEvent(message(home, 'us.test', newKey()))).toMatch(/no valid key/)
  expect(await home.keyRing.verifyEvent(message(home, 'us.test', { ...newKey(), keyId: current.keyId }))).toMatch(
    /wrong/,
  )
  expect(home.network.log).toEqual([])
})

test('as a notary: the document of the other server with both signatures, ours among them', async () => {
  await using w = await world()
  const peer = w.evil('peer.test')
  const [document] = await w.home.keyRing.notarised('peer.test' as ServerName, w.home.clock.now())
  expect(Object.keys(document?.signatures as object).toSorted()).toEqual(['peer.test', 'us.test'])
  expect(document).toMatchObject({
    server_name: 'peer.test',
    verify_keys: { [peer.key.keyId]: { key: peer.key.publicKey } },
  })
  w.home.network.remove('peer.test')
  await w.home.clock.advance(20 * dayMs)
  expect(await w.home.keyRing.notarised('peer.test' as ServerName, w.home.clock.now())).toHaveLength(1)
  expect(await w.home.keyRing.notarised('nobody.test' as ServerName, w.home.clock.now())).toEqual([])
})

/** A request of the peer as the gate sees it. */
async function ask(
  home: Home,
  peer: EvilServer,
  twist: Twist = {},
  target = '/_matrix/federation/v1/x?a=b',
  body: JsonObject | undefined = { a: 1 },
) {
  const request = peer.request(home.name, 'PUT', target, body, twist)
  const authorization = twist.authorization ?? [request.headers.get('authorization') ?? '']
  const sent = await request.text()
  const parsed = sent === '' ? undefined : (JSON.parse(sent) as JsonObject)
  return verifyRequest(home, { method: 'PUT', target, authorization, body: parsed })
}

test('requests: as they should be they pass, also without a destination', async () => {
  await using w = await world()
  const peer = w.evil('peer.test')
  const { home } = w
  expect(await ask(home, peer)).toBe('peer.test')
  const header = peer.request(home.name, 'PUT', '/x', { a: 1 }).headers.get('authorization') ?? ''
  const bare = header.replace(/destination="[^"]*",/, '')
  expect(await ask(home, peer, { authorization: [bare] }, '/x')).toBe('peer.test')
})

test.each<[string, (peer: EvilServer) => Twist]>([
  ['without a header', () => ({ authorization: [] })],
  ['with a bearer token', () => ({ authorization: ['Bearer x'] })],
  ['with a malformed header', () => ({ authorization: ['X-Matrix origin=peer.test'] })],
  ['for another destination', () => ({ destination: 'other.test' as ServerName })],
  ['with another body than the signed one', () => ({ signedBody: { a: 2 } })],
  ['with a body that is not signed', () => ({ signedBody: null })],
  ['signed without its query', () => ({ signedUri: '/_matrix/federation/v1/x' })],
  ['signed for a normalised path', () => ({ signedUri: '/_matrix/federation/v1/y/../x?a=b' })],
  ['signed for another method', () => ({ signedMethod: 'GET' })],
  ['by an unknown key', () => ({ key: newKey() })],
  ['by another key under a known id', (peer) => ({ key: { ...newKey(), keyId: peer.key.keyId } })],
  ['in the name of another server', () => ({ origin: 'victim.test' as ServerName })],
  ['in our own name', () => ({ origin: 'us.test' as ServerName })],
  [
    'with headers of two origins',
    (peer) => {
      const header =
        peer
          .request('us.test' as ServerName, 'PUT', '/_matrix/federation/v1/x?a=b', { a: 1 })
          .headers.get('authorization') ?? ''
      return { authorization: [header, header.replace('peer.test', 'other.test')] }
    },
  ],
])('requests: %s: 401', async (_what, twist) => {
  await using w = await world()
  const peer = w.evil('peer.test')
  w.evil('victim.test')
  const { home } = w
  await expect(ask(home, peer, twist(peer))).rejects.toMatchObject({ errcode: 'M_UNAUTHORIZED', status: 401 })
})
