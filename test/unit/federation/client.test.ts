import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { FederationClient, isUnsupported } from '../../../src/federation/client.ts'
import { Discovery } from '../../../src/federation/discovery.ts'
import { FederationError } from '../../../src/federation/errors.ts'
import type { EventId, RoomId, ServerName, UserId } from '../../../src/protocol/ids.ts'
import { parseJson } from '../../../src/protocol/json.ts'
import type { Json } from '../../../src/protocol/json-types.ts'
import { generateSigningKey } from '../../../src/protocol/sign.ts'
import { parseXMatrix, verifyRequest } from '../../../src/protocol/x-matrix.ts'
import { makeSystemDns } from '../../../src/util/dns.ts'
import { SystemNet } from '../../../src/util/system-net.ts'
import { systemClock, systemRandom } from '../../../src/util/system-ports.ts'
import { EvilServer } from '../../support/evil.ts'
import { Home } from '../../support/federation.ts'
import { makeTls } from '../../support/tls.ts'

const peer = 'peer.test' as ServerName
const roomId = '!r:x.test' as RoomId
const userId: UserId = '@u/ü ?:us.test'
const eventId: EventId = `$${'e'.repeat(43)}`

type Answer = (method: string, target: string, body: Json | undefined) => Response

async function world(answer: Answer) {
  const home = await Home.make('us.test')
  const evil = new EvilServer(peer, home.clock.now())
  home.network.add(peer, evil.handle)
  evil.handlers.push(async (request) => {
    const { pathname, search } = new URL(request.url)
    if (pathname.startsWith('/.well-known')) return undefined
    const text = await request.text()
    const body = text === '' ? undefined : parseJson(text, { mode: 'spelled' })
    const header = parseXMatrix(request.headers.get('authorization') ?? '')
    const target = pathname + search
    const signed = { method: request.method, uri: target, origin: home.name, destination: peer, content: body }
    expect(header).toMatchObject({ origin: 'us.test', destination: peer, key: home.ownKeys.current.keyId })
    expect(header !== undefined && verifyRequest(signed, header, home.ownKeys.current.publicKey)).toBe(true)
    return answer(request.method, target, body)
  })
  return { home, evil, client: home.client, [Symbol.asyncDispose]: () => home[Symbol.asyncDispose]() }
}

const ok = (body: object = {}) => Response.json(body)
const unrecognized = (status = 404) => Response.json({ errcode: 'M_UNRECOGNIZED', error: 'no' }, { status })

const verbs: [string, string, (client: FederationClient) => Promise<unknown>, object, Json?][] = [
  [
    'GET',
    '/_matrix/federation/v1/make_join/!r%3Ax.test/%40u%2F%C3%BC%20%3F%3Aus.test?ver=11&ver=12',
    (c) => c.makeJoin(peer, roomId, userId, ['11', '12']),
    { event: {} },
  ],
  [
    'PUT',
    `/_matrix/federation/v2/send_join/!r%3Ax.test/%24${'e'.repeat(43)}?omit_members=true`,
    (c) => c.sendJoin(peer, roomId, eventId, { a: 1 }, { omitMembers: true }),
    { state: [], auth_chain: [] },
    { a: 1 },
  ],
  [
    'GET',
    '/_matrix/federation/v1/make_leave/!r%3Ax.test/%40u%2F%C3%BC%20%3F%3Aus.test',
    (c) => c.makeLeave(peer, roomId, userId),
    { event: {} },
  ],
  [
    'PUT',
    `/_matrix/federation/v2/send_leave/!r%3Ax.test/%24${'e'.repeat(43)}`,
    (c) => c.sendLeave(peer, roomId, eventId, { a: 1 }),
    {},
    { a: 1 },
  ],
  [
    'GET',
    '/_matrix/federation/v1/make_knock/!r%3Ax.test/%40u%2F%C3%BC%20%3F%3Aus.test?ver=7',
    (c) => c.makeKnock(peer, roomId, userId, ['7']),
    { event: {} },
  ],
  [
    'PUT',
    `/_matrix/federation/v1/send_knock/!r%3Ax.test/%24${'e'.repeat(43)}`,
    (c) => c.sendKnock(peer, roomId, eventId, { a: 1 }),
    { knock_room_state: [] },
    { a: 1 },
  ],
  [
    'PUT',
    `/_matrix/federation/v2/invite/!r%3Ax.test/%24${'e'.repeat(43)}`,
    (c) => c.invite(peer, roomId, eventId, { roomVersion: '11', event: { a: 1 }, inviteRoomState: [] }),
    { event: {} },
    { room_version: '11', event: { a: 1 }, invite_room_state: [] },
  ],
  [
    'GET',
    `/_matrix/federation/v1/backfill/!r%3Ax.test?v=%24${'e'.repeat(43)}&limit=5`,
    (c) => c.backfill(peer, roomId, [eventId], 5),
    { pdus: [] },
  ],
  [
    'POST',
    '/_matrix/federation/v1/get_missing_events/!r%3Ax.test',
    (c) => c.getMissingEvents(peer, roomId, { earliest: [], latest: [eventId], limit: 5 }),
    { events: [] },
    { earliest_events: [], latest_events: [eventId], limit: 5, min_depth: 0 },
  ],
  [
    'GET',
    `/_matrix/federation/v1/state/!r%3Ax.test?event_id=%24${'e'.repeat(43)}`,
    (c) => c.getState(peer, roomId, eventId),
    { pdus: [], auth_chain: [] },
  ],
  [
    'GET',
    `/_matrix/federation/v1/state_ids/!r%3Ax.test?event_id=%24${'e'.repeat(43)}`,
    (c) => c.getStateIds(peer, roomId, eventId),
    { pdu_ids: [eventId], auth_chain_ids: [] },
  ],
  ['GET', `/_matrix/federation/v1/event/%24${'e'.repeat(43)}`, (c) => c.getEvent(peer, eventId), { pdus: [{}] }],
  [
    'GET',
    `/_matrix/federation/v1/event_auth/!r%3Ax.test/%24${'e'.repeat(43)}`,
    (c) => c.getEventAuth(peer, roomId, eventId),
    { auth_chain: [] },
  ],
  [
    'GET',
    '/_matrix/federation/v1/query/profile?user_id=%40a%3Apeer.test&field=displayname',
    (c) => c.queryProfile(peer, '@a:peer.test', 'displayname'),
    {},
  ],
  [
    'GET',
    '/_matrix/federation/v1/query/directory?room_alias=%23a%3Apeer.test',
    (c) => c.queryDirectory(peer, '#a:peer.test'),
    { room_id: roomId, servers: ['a.test', 'not a name'] },
  ],
  [
    'PUT',
    '/_matrix/federation/v1/send/t%2F1',
    (c) => c.sendTransaction(peer, 't/1', '{"a":1}'),
    { pdus: {} },
    { a: 1 },
  ],
]

test.each(verbs)('%s %s', async (method, target, call, answer, body) => {
  const seen: [string, string, Json | undefined][] = []
  await using w = await world((...request) => (seen.push(request), ok(answer)))
  await call(w.client)
  expect(seen).toEqual([[method, target, body]])
})

const demanding = verbs.filter(
  ([, target, , answer]) => Object.keys(answer).length > 0 && !/send_knock|\/send\//.test(target),
)

test.each(demanding)('%s %s: an answer without what it must have is refused', async (_method, _target, call) => {
  let bad: unknown
  await using w = await world(() => Response.json(bad))
  for (bad of [
    [],
    'x',
    {},
    { event: 7, state: 7, auth_chain: {}, pdus: {}, events: 'x', pdu_ids: 'x', room_id: 'x' },
  ]) {
    await expect(call(w.client)).rejects.toMatchObject({ name: 'FederationError', kind: 'bad_answer', status: 502 })
  }
})

test('servers that do not know version 2 are asked by version 1, and only they', async () => {
  const targets: string[] = []
  await using w = await world((_method, target) => {
    targets.push(target.replace(/\/!.*/, ''))
    return target.includes('/v2/')
      ? unrecognized()
      : Response.json([200, { state: [], auth_chain: [], event: { b: 2 } }])
  })
  await w.client.sendJoin(peer, roomId, eventId, {})
  await w.client.sendLeave(peer, roomId, eventId, {})
  expect(await w.client.invite(peer, roomId, eventId, { roomVersion: '1', event: {}, inviteRoomState: [] })).toEqual({
    b: 2,
  })
  await expect(
    w.client.invite(peer, roomId, eventId, { roomVersion: '11', event: {}, inviteRoomState: [] }),
  ).rejects.toMatchObject({ kind: 'refused' })
  expect(targets.map((target) => target.slice(20))).toEqual([
    'v2/send_join',
    'v1/send_join',
    'v2/send_leave',
    'v1/send_leave',
    'v2/invite',
    'v1/invite',
    'v2/invite',
  ])
  await using refusing = await world(() => Response.json({ errcode: 'M_FORBIDDEN', error: 'no' }, { status: 403 }))
  await expect(refusing.client.sendJoin(peer, roomId, eventId, {})).rejects.toMatchObject({
    kind: 'refused',
    status: 403,
    errcode: 'M_FORBIDDEN',
  })
  expect(refusing.evil.received.filter(({ target }) => target.includes('send_join'))).toHaveLength(1)
})

test.each([404, 405, 501])(
  'an erasure is told by the unstable path, then by the stable one, when the first answers %d',
  async (status) => {
    const targets: string[] = []
    await using w = await world((_method, target, body) => {
      expect(body).toEqual({ user_id: '@a:us.test' })
      targets.push(target)
      return target.includes('unstable') ? new Response('<html>', { status }) : ok()
    })
    await w.client.userErase(peer, '@a:us.test')
    expect(targets).toEqual([
      '/_matrix/federation/unstable/org.matrix.msc2438/user/erase',
      '/_matrix/federation/v1/user/erase',
    ])
    await using none = await world(() => new Response(null, { status }))
    const error = await none.client.userErase(peer, '@a:us.test').catch((thrown: unknown) => thrown)
    expect(isUnsupported(error)).toBe(true)
  },
)

test('an answer of 200 that is HTML, empty or endless JSON is no answer', async () => {
  for (const body of ['<html>', '', '{"a":', '\xff\xfe']) {
    await using w = await world(() => new Response(body))
    await expect(w.client.userErase(peer, '@a:us.test')).rejects.toMatchObject({ kind: 'bad_answer' })
  }
  await using w = await world(() => new Response('x'.repeat(2_000_000)))
  await expect(w.client.request(peer, { method: 'GET', path: '/x' })).rejects.toMatchObject({ kind: 'bad_answer' })
})

test.each([
  [403, 'M_FORBIDDEN', 403, 'M_FORBIDDEN'],
  [404, 'M_NOT_FOUND', 404, 'M_NOT_FOUND'],
  [400, 'M_INCOMPATIBLE_ROOM_VERSION', 400, 'M_INCOMPATIBLE_ROOM_VERSION'],
  [401, 'M_UNKNOWN_TOKEN', 502, 'M_UNKNOWN'],
  [403, 'M_USER_DEACTIVATED', 502, 'M_UNKNOWN'],
  [500, 'M_UNKNOWN', 502, 'M_UNKNOWN'],
  [429, 'M_LIMIT_EXCEEDED', 502, 'M_UNKNOWN'],
])('a remote that answers %d %s is for our users %d %s', async (status, errcode, ours, code) => {
  await using w = await world(() => Response.json({ errcode, error: 'their words', retry_after_ms: 77 }, { status }))
  const error = await w.client.request(peer, { method: 'GET', path: '/x' }).catch((thrown: unknown) => thrown)
  expect(error).toBeInstanceOf(FederationError)
  expect(error).toMatchObject({ status: ours, errcode: code, remote: { status, errcode, retryAfterMs: 77 } })
  expect(String(error)).not.toContain('their words')
})

test('a server that does not answer is tried again for those who wait, and not in the background', async () => {
  await using w = await world(() => ok())
  w.home.network.remove(peer)
  const background = { method: 'GET', path: '/x', patience: 'background' } as const
  await expect(w.client.request(peer, background)).rejects.toMatchObject({ kind: 'unreachable' })
  const tries = () => w.home.network.log.filter((line) => line.endsWith('/x')).length
  expect(tries()).toBe(1)
  await expect(w.client.request(peer, background)).rejects.toMatchObject({ kind: 'unreachable' })
  await expect(w.client.request(peer, { ...background, patience: 'user' })).rejects.toMatchObject({
    kind: 'unreachable',
  })
  expect(tries()).toBe(1)
  await w.home.clock.advance(11_000)
  w.home.network.add(peer, w.evil.handle)
  expect(await w.client.request(peer, { ...background, patience: 'user' })).toEqual({})
  expect(await w.client.request(peer, background)).toEqual({})
})

test('a server that makes contact may be asked at once, and after a failure waits for the next contact', async () => {
  await using w = await world(() => ok())
  const background = { method: 'GET', path: '/x', patience: 'background' } as const
  const ask = () => w.client.request(peer, background)
  const tries = () => w.home.network.log.filter((line) => line.endsWith('/x')).length
  w.home.network.remove(peer)
  await expect(ask()).rejects.toMatchObject({ kind: 'unreachable' })
  await w.home.clock.advance(1000)
  w.home.destinations.contacted(peer)
  await expect(ask()).rejects.toMatchObject({ kind: 'unreachable' })
  await expect(ask()).rejects.toMatchObject({ kind: 'unreachable' })
  expect(tries()).toBe(2)
  w.home.network.add(peer, w.evil.handle)
  await w.home.clock.advance(1000)
  w.home.destinations.contacted(peer)
  expect(await ask()).toEqual({})
})

test('nothing is sent to ourselves', async () => {
  await using w = await world(() => ok())
  await expect(w.client.request('us.test' as ServerName, { method: 'GET', path: '/x' })).rejects.toMatchObject({
    kind: 'unreachable',
  })
  expect(w.home.network.log).toEqual([])
})

test('over real TLS: a static route with an authority of its own', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'lethe-client-'))
  const tls = makeTls(folder)
  const evil = new EvilServer('localhost', Date.now())
  evil.handlers.push(() => ok({ hello: 1 }))
  const port = await evil.listen(tls)
  const net = new SystemNet({
    clock: systemClock,
    dns: makeSystemDns(),
    allowPrivateAddresses: false,
    extraCa: [],
    userAgent: 'test',
  })
  const make = (staticRoutes: Record<string, string>, extraCa: readonly string[]) =>
    new FederationClient({
      serverName: 'us.test' as ServerName,
      signingKey: generateSigningKey((size) => systemRandom.bytes(size)),
      net,
      discovery: new Discovery({ net, dns: makeSystemDns(), clock: systemClock, random: systemRandom, staticRoutes }),
      extraCa,
      destinations: { checkUsable: () => undefined, succeeded: () => {}, failed: () => {} },
      enabled: true,
    })
  const ca = [readFileSync(tls.ca, 'utf8')]
  const call = { method: 'PUT', path: '/_matrix/x', body: { b: 1, a: '\u00fc' } } as const
  const route = { localhost: `127.0.0.1:${port}` }
  const localhost = 'localhost' as ServerName
  expect(await make(route, ca).request(localhost, call)).toEqual({ hello: 1 })
  expect(evil.received[0]).toMatchObject({ method: 'PUT', target: '/_matrix/x', body: '{"a":"\u00fc","b":1}' })
  await expect(make(route, []).request(localhost, call)).rejects.toMatchObject({ kind: 'unreachable' })
  await expect(
    make({ 'other.test': `127.0.0.1:${port}` }, ca).request('other.test' as ServerName, call),
  ).rejects.toMatchObject({ kind: 'unreachable' })
  // without a route it would be an internal address
  await expect(make({}, ca).request(`localhost:${port}` as ServerName, call)).rejects.toMatchObject({
    kind: 'unreachable',
  })
  expect(evil.received).toHaveLength(1)
  await net.close()
  await evil.close()
  rmSync(folder, { recursive: true, force: true })
})
