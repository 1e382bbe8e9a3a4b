import { createServer as createHttp, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { createServer as createHttps } from 'node:https'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { connect as connectTcp, createServer as createTcp } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync, brotliCompressSync, deflateSync } from 'node:zlib'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { isPublicAddress } from '../../../src/util/address-guard.ts'
import type { Address, Dns } from '../../../src/util/dns.ts'
import { NetError, type NetRequest } from '../../../src/util/ports.ts'
import { SystemNet, type SystemNetOptions } from '../../../src/util/system-net.ts'
import { systemClock } from '../../../src/util/system-ports.ts'
import { makeTls, type TestTls } from '../../support/tls.ts'

const folder = mkdtempSync(join(tmpdir(), 'lethe-net-'))
let tls: TestTls
let ca: string
const closers: (() => void)[] = []

beforeAll(() => {
  tls = makeTls(folder)
  ca = readFileSync(tls.ca, 'utf8')
})
afterAll(() => {
  for (const close of closers) close()
  rmSync(folder, { recursive: true, force: true })
})

type Handler = (request: IncomingMessage, response: ServerResponse) => void

async function serve(handler: Handler, isTls = false): Promise<number> {
  const server: Server = isTls
    ? createHttps({ cert: readFileSync(tls.cert), key: readFileSync(tls.key) }, handler)
    : createHttp(handler)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  closers.push(() => {
    server.closeAllConnections()
    server.close()
  })
  return (server.address() as { port: number }).port
}

/** Names to addresses, scripted; each question takes the next answer, the last one stays. */
function scriptedDns(names: Record<string, string[][]>): Dns {
  const asked = new Map<string, number>()
  const addresses = async (host: string): Promise<Address[]> => {
    const answers = names[host]
    if (answers === undefined) throw new Error('no such name')
    const at = asked.get(host) ?? 0
    asked.set(host, at + 1)
    const answer = answers[Math.min(at, answers.length - 1)] ?? []
    return answer.map((address) => ({ address, family: address.includes(':') ? 6 : 4 }))
  }
  return { srv: async () => [], addresses, configuredAddresses: addresses }
}

function makeNet(options: Partial<SystemNetOptions> = {}): SystemNet {
  const net = new SystemNet({
    clock: systemClock,
    dns: scriptedDns({}),
    allowPrivateAddresses: false,
    extraCa: [],
    userAgent: 'test',
    ...options,
  })
  closers.push(() => void net.close())
  return net
}

const base = { method: 'GET', deadlineMs: 5000, maxBytes: 1_000_000, guard: 'configured' } as const
const failure = async (work: Promise<unknown>) => {
  const error = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
  return error instanceof NetError ? error.failure : error
}

const internal = [
  '127.0.0.1',
  '127.0.0.53',
  '127.255.255.255',
  '0.0.0.0',
  '0.1.2.3',
  '10.0.0.1',
  '10.255.255.255',
  '172.16.0.1',
  '172.31.255.255',
  '192.168.0.1',
  '192.168.255.255',
  '169.254.169.254',
  '169.254.0.1',
  '100.64.0.1',
  '100.127.255.255',
  '192.0.0.1',
  '192.0.2.1',
  '198.18.0.1',
  '198.19.255.255',
  '198.51.100.1',
  '203.0.113.1',
  '224.0.0.1',
  '239.255.255.255',
  '240.0.0.1',
  '255.255.255.255',
  '192.88.99.1',
  '[::]',
  '[::1]',
  '[::127.0.0.1]',
  '[::ffff:127.0.0.1]',
  '[::ffff:7f00:1]',
  '[::ffff:10.0.0.1]',
  '[::ffff:169.254.169.254]',
  '[0:0:0:0:0:ffff:7f00:1]',
  '[64:ff9b::127.0.0.1]',
  '[64:ff9b::7f00:1]',
  '[64:ff9b::a00:1]',
  '[64:ff9b:1::1]',
  '[fe80::1]',
  '[febf::1]',
  '[fec0::1]',
  '[fc00::1]',
  '[fd00::1]',
  '[fdff:ffff::1]',
  '[ff02::1]',
  '[2001:db8::1]',
  '[2002:7f00:1::]',
  '[2002:a00:1::]',
  '[2001::1]',
  '[100::1]',
  '[2001:10::1]',
  '[2001:20::1]',
  '[5f00::1]',
]
// what a URL parser or getaddrinfo makes 127.0.0.1 or another internal address of
const spelled = [
  '127.1',
  '127.0.1',
  '2130706433',
  '0x7f000001',
  '0x7f.1',
  '0x7f.0.0.1',
  '0177.0.0.1',
  '017700000001',
  '0177.1',
  '127.0.0.1.',
  '127.000.000.001',
  '0',
  '0x0',
  '00.0.0.0',
  '0300.0250.0.1',
  '0xc0.0xa8.0.1',
  '3232235521',
  '2852039166',
  '0xa9fea9fe',
  '169.254.43518',
  '127。0。0。1',
  '127.0.0.1',
  '①②⑦.⓪.⓪.①',
  'localhost',
  'LOCALHOST',
  'localhost.',
  'ip6-localhost',
  '%31%32%37.0.0.1',
]

test.each([...internal, ...spelled])('%s is never dialled for strangers', async (host) => {
  let reached = false
  const port = await serve((_request, response) => {
    reached = true
    response.end()
  })
  const { makeSystemDns } = await import('../../../src/util/dns.ts')
  const net = makeNet({ dns: makeSystemDns() })
  const said = await failure(
    net.request({ ...base, url: `http://${host}:${port}/`, guard: 'public', deadlineMs: 3000 }),
  )
  expect(['refused-address', 'resolve']).toContain(said)
  expect(
    await failure(net.request({ ...base, url: 'http://example.org/', dial: { host, port }, guard: 'public' })),
  ).toMatch(/refused-address|resolve/)
  expect(reached).toBe(false)
})

test.each(['1.1.1.1', '8.8.8.8', '[2606:4700::1111]', '[64:ff9b::808:808]', '[::ffff:8.8.8.8]'])(
  '%s is public',
  (address) => {
    expect(isPublicAddress(address)).toBe(true)
  },
)

test('a name that resolves to an internal address is refused, also when it did not at first (rebinding)', async () => {
  let reached = 0
  const port = await serve((_request, response) => {
    reached++
    response.end('internal')
  })
  const dns = scriptedDns({
    'inside.test': [['127.0.0.1']],
    'mixed.test': [['10.0.0.1', '127.0.0.1', '::1']],
    'rebinds.test': [['203.0.113.9'], ['127.0.0.1']],
  })
  const net = makeNet({ dns })
  for (const host of ['inside.test', 'mixed.test', 'rebinds.test', 'rebinds.test']) {
    expect(await failure(net.request({ ...base, url: `http://${host}:${port}/`, guard: 'public' }))).toBe(
      'refused-address',
    )
  }
  expect(reached).toBe(0)
  // the same names, when the operator wrote them down or allows it
  expect((await net.request({ ...base, url: `http://inside.test:${port}/` })).status).toBe(200)
  const open = makeNet({ dns, allowPrivateAddresses: true })
  expect((await open.request({ ...base, url: `http://inside.test:${port}/`, guard: 'public' })).status).toBe(200)
})

test('a redirect to an internal address is refused, whoever wrote the first one down', async () => {
  let reached = 0
  const inside = await serve((_request, response) => {
    reached++
    response.end()
  })
  const port = await serve((_request, response) =>
    response.writeHead(302, { location: `http://127.0.0.1:${inside}/` }).end(),
  )
  const net = makeNet({ dns: scriptedDns({ 'hook.test': [['127.0.0.1']] }) })
  expect(await failure(net.request({ ...base, url: `http://hook.test:${port}/`, redirects: 3 }))).toBe(
    'refused-address',
  )
  expect(reached).toBe(0)
  expect((await net.request({ ...base, url: `http://hook.test:${port}/` })).status).toBe(302)
})

test('redirects are counted, and carry no credentials elsewhere', async () => {
  const seen: (string | undefined)[] = []
  const second = await serve((request, response) => {
    seen.push(request.headers.authorization, request.headers.host)
    response.end('there')
  })
  const port = await serve((request, response) => {
    if (request.url === '/loop') return response.writeHead(302, { location: '/loop' }).end()
    return response.writeHead(307, { location: `http://two.test:${second}/` }).end()
  })
  const net = makeNet({
    dns: scriptedDns({ 'one.test': [['127.0.0.1']], 'two.test': [['127.0.0.1']] }),
    allowPrivateAddresses: true,
  })
  const answer = await net.request({
    ...base,
    url: `http://one.test:${port}/`,
    redirects: 3,
    headers: { authorization: 'secret', host: 'x.test' },
  })
  expect(Buffer.from(answer.body).toString()).toBe('there')
  expect(answer.url).toBe(`http://two.test:${second}/`)
  expect(seen).toEqual([undefined, `two.test:${second}`])
  expect(await failure(net.request({ ...base, url: `http://one.test:${port}/loop`, redirects: 5 }))).toBe('protocol')
})

const dial = async (handler: Handler) => ({ host: '127.0.0.1', port: await serve(handler, true) })
const tlsRequest = (more: Partial<NetRequest>): NetRequest => ({
  ...base,
  url: 'https://localhost/x',
  tls: { ca: [ca] },
  ...more,
})

test('TLS: the certificate must be for the name, by a trusted authority', async () => {
  const at = await dial((request, response) => response.end(request.headers.host))
  const net = makeNet()
  const answer = await net.request(tlsRequest({ dial: at, headers: { host: 'matrix.test' } }))
  expect(Buffer.from(answer.body).toString()).toBe('matrix.test')
  expect((await net.request(tlsRequest({ dial: at, tls: { ca: [ca], servername: '127.0.0.1' } }))).status).toBe(200)
  expect(
    (
      await net.request(
        tlsRequest({ dial: at, url: 'https://other.test/', tls: { ca: [ca], servername: 'localhost' } }),
      )
    ).status,
  ).toBe(200)
  expect(await failure(net.request(tlsRequest({ dial: at, tls: {} })))).toBe('tls')
  expect(await failure(net.request(tlsRequest({ dial: at, url: 'https://other.test/' })))).toBe('tls')
  expect(await failure(net.request(tlsRequest({ dial: at, tls: { ca: [ca], servername: '127.0.0.2' } })))).toBe('tls')
})

test('the target is sent as it was given, dots and escapes too', async () => {
  const targets: (string | undefined)[] = []
  const at = await dial((request, response) => {
    targets.push(request.url)
    response.end()
  })
  const net = makeNet()
  for (const target of ['/a/../b', '/a/%2e%2e/b?x=%20', '/%21r%3Ax/%F0%9F%98%80', '/a//b?']) {
    await net.request(tlsRequest({ dial: at, url: `https://localhost${target}` }))
  }
  expect(targets).toEqual(['/a/../b', '/a/%2e%2e/b?x=%20', '/%21r%3Ax/%F0%9F%98%80', '/a//b?'])
})

test('connections are kept and used again', async () => {
  const ports = new Set<number | undefined>()
  const at = await dial((request, response) => {
    ports.add(request.socket.remotePort)
    response.end()
  })
  const net = makeNet()
  for (let i = 0; i < 5; i++) await net.request(tlsRequest({ dial: at }))
  expect(ports.size).toBeLessThanOrEqual(2)
})

test.each([
  ['gzip', gzipSync],
  ['br', brotliCompressSync],
  ['deflate', deflateSync],
])('%s is decompressed, and a bomb is stopped', async (encoding, compress) => {
  const port = await serve((request, response) => {
    const size = request.url === '/bomb' ? 200_000_000 : 1000
    response.writeHead(200, { 'content-encoding': encoding }).end(compress(Buffer.alloc(size, 'a')))
  })
  const net = makeNet()
  const answer = await net.request({ ...base, url: `http://127.0.0.1:${port}/` })
  expect(Buffer.from(answer.body).toString()).toBe('a'.repeat(1000))
  const before = process.memoryUsage().rss
  expect(await failure(net.request({ ...base, url: `http://127.0.0.1:${port}/bomb`, deadlineMs: 20_000 }))).toBe(
    'too-large',
  )
  expect(process.memoryUsage().rss - before).toBeLessThan(400_000_000)
})

test('an answer of exactly the limit passes, one byte more does not', async () => {
  const port = await serve((request, response) => response.end('x'.repeat(Number(request.url?.slice(1)))))
  const net = makeNet()
  expect((await net.request({ ...base, maxBytes: 100, url: `http://127.0.0.1:${port}/100` })).body.length).toBe(100)
  expect(await failure(net.request({ ...base, maxBytes: 100, url: `http://127.0.0.1:${port}/101` }))).toBe('too-large')
})

test('deadlines: for the first byte, and for the whole, also of a body that drips', async () => {
  const silent = await serve(() => {})
  const dripping = await serve((_request, response) => {
    response.writeHead(200)
    const timer = setInterval(() => response.write('x'), 50)
    response.on('close', () => clearInterval(timer))
  })
  const net = makeNet()
  const timed = async (request: NetRequest) => {
    const start = performance.now()
    expect(await failure(net.request(request))).toBe('timeout')
    return performance.now() - start
  }
  expect(await timed({ ...base, url: `http://127.0.0.1:${silent}/`, firstByteMs: 300 })).toBeLessThan(1500)
  expect(await timed({ ...base, url: `http://127.0.0.1:${dripping}/`, deadlineMs: 600 })).toBeLessThan(2000)
})

test('a stream ends its connection when it is left, and can be given up', async () => {
  let closed = 0
  const port = await serve((_request, response) => {
    response.writeHead(200)
    const timer = setInterval(() => response.write('x'.repeat(1000)), 5)
    response.on('close', () => {
      closed++
      clearInterval(timer)
    })
  })
  const net = makeNet()
  const { body } = await net.stream({ ...base, url: `http://127.0.0.1:${port}/` })
  for await (const chunk of body) {
    expect(chunk.length).toBeGreaterThan(0)
    break
  }
  const control = new AbortController()
  const given = net.request({ ...base, url: `http://127.0.0.1:${port}/`, signal: control.signal })
  setTimeout(() => control.abort(), 50)
  expect(await failure(given)).toBe('aborted')
  await expect.poll(() => closed).toBe(2)
})

test('what is no HTTP, no host, no listener: each its own failure', async () => {
  const rubbish = createTcp((socket) => socket.on('error', () => {}).end('SSH-2.0-x\r\n'))
  await new Promise<void>((resolve) => rubbish.listen(0, '127.0.0.1', resolve))
  const port = (rubbish.address() as { port: number }).port
  const net = makeNet()
  expect(await failure(net.request({ ...base, url: `http://127.0.0.1:${port}/` }))).toMatch(/protocol|connect/)
  rubbish.close()
  expect(await failure(net.request({ ...base, url: 'http://nowhere.test/' }))).toBe('resolve')
  expect(await failure(net.request({ ...base, url: 'http://127.0.0.1:1/' }))).toBe('connect')
  expect(await failure(net.request({ ...base, url: 'file:///etc/passwd' }))).toBe('protocol')
})

test('a proxy is used for what is public, not for what is configured, and never for an internal literal', async () => {
  const asked: string[] = []
  const port = await serve((request, response) => response.end(`at ${request.headers.host}`), true)
  const proxy = createHttp()
  proxy.on('connect', (request, client) => {
    asked.push(request.url ?? '')
    const upstream = connectTcp(port, '127.0.0.1', () => {
      client.write('HTTP/1.1 200 OK\r\n\r\n')
      upstream.pipe(client).pipe(upstream)
    })
    client.on('error', () => upstream.destroy())
    upstream.on('error', () => client.destroy())
  })
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve))
  closers.push(() => {
    proxy.closeAllConnections()
    proxy.close()
  })
  const net = makeNet({ proxy: `http://127.0.0.1:${(proxy.address() as { port: number }).port}` })
  const answer = await net.request(tlsRequest({ url: 'https://localhost/x', guard: 'public' }))
  expect(Buffer.from(answer.body).toString()).toBe('at localhost')
  expect(asked).toEqual(['localhost:443'])
  expect((await net.request(tlsRequest({ dial: { host: '127.0.0.1', port } }))).status).toBe(200)
  expect(await failure(net.request(tlsRequest({ dial: { host: '127.0.0.1', port }, guard: 'public' })))).toBe(
    'refused-address',
  )
  expect(asked).toHaveLength(1)
})
