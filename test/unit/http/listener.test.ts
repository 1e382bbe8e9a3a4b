import { once } from 'node:events'
import { connect } from 'node:net'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { endpoint } from '../../../src/http/endpoint.ts'
import { mount } from '../../../src/http/mount.ts'
import { binaryReply } from '../../../src/http/reply.ts'
import { jsonObject } from '../../../src/http/schemas.ts'
import { listen } from '../../../src/server/listener.ts'
import type { Listener } from '../../../src/server/listener.ts'
import { systemClock } from '../../../src/util/system-ports.ts'
import { httpDeps } from '../../support/http-deps.ts'

const ended: string[] = []
const stopping = new AbortController()
const deps = httpDeps({}, { clock: systemClock, stopping: stopping.signal })
const base = { auth: 'none', limit: 'none' } as const
const endpoints = [
  endpoint({
    ...base,
    method: 'GET',
    path: '/_matrix/federation/v1/echo/:id',
    handle: ({ params, request }) => ({ params, target: request.target }),
  }),
  endpoint({ ...base, method: 'POST', path: '/_matrix/client/v3/post', body: jsonObject, handle: ({ body }) => body }),
  endpoint({
    ...base,
    method: 'GET',
    path: '/_matrix/client/v3/wait',
    async handle({ request, deps: { clock } }) {
      await clock.sleep(20_000, request.signal).catch(() => ended.push('woken'))
      return { woken: true }
    },
  }),
  endpoint({
    ...base,
    method: 'GET',
    path: '/_matrix/media/v3/stream',
    handle: () =>
      binaryReply(
        (async function* () {
          for (let i = 0; i < 5; i++) yield Buffer.alloc(100_000, i)
        })(),
        { 'content-type': 'application/octet-stream' },
      ),
  }),
  endpoint({
    ...base,
    method: 'POST',
    path: '/_matrix/media/v3/upload',
    async handle({ request }) {
      let length = 0
      for await (const chunk of request.stream(1_000_000)) length += chunk.length
      return { length }
    },
  }),
]
let listener: Listener
beforeAll(async () => {
  listener = await listen({ host: '127.0.0.1', port: 0, resources: [], tls: null }, mount(deps, endpoints), systemClock)
})
afterAll(() => listener.close(100))

/** Sends bytes and collects what comes back until the other side or `until` ends it. */
async function raw(text: string, until = /\r\n0\r\n\r\n|\}$/): Promise<string> {
  const socket = connect(listener.port, '127.0.0.1')
  await once(socket, 'connect')
  socket.write(text)
  let answer = ''
  await new Promise<void>((resolve) => {
    socket.on('data', (chunk) => {
      answer += chunk.toString('latin1')
      if (until.test(answer)) resolve()
    })
    socket.on('close', () => resolve())
  })
  socket.destroy()
  return answer
}

test('the raw target is what is routed and what handlers see', async () => {
  const answer = await raw('GET /_matrix/federation/v1/echo/%2e%2e?a=%20b HTTP/1.1\r\nHost: x\r\n\r\n')
  expect(answer).toContain('"params":{"id":".."},"target":"/_matrix/federation/v1/echo/%2e%2e?a=%20b"')
  expect(await raw('GET /_matrix/federation/v1/x/../echo/1 HTTP/1.1\r\nHost: x\r\n\r\n')).toContain('404')
})

test.each([
  'GET /_matrix/\\x HTTP/1.1\r\nHost: x\r\n\r\n',
  'GET /_matrix/x HTTP/1.1\r\nHost: a b\r\n\r\n',
  'GET nowhere HTTP/1.1\r\nHost: x\r\n\r\n',
])('what is hardly a request gets JSON with CORS: %j', async (text) => {
  const answer = await raw(text)
  expect(answer).toMatch(/^HTTP\/1\.1 40[04]/)
  expect(answer.toLowerCase()).toContain('access-control-allow-origin: *')
  expect(answer).toContain('M_UNRECOGNIZED')
})

test('a body over the limit is refused while it is read, without waiting for its end', async () => {
  const part = 'x'.repeat(60_000)
  const chunk = `${part.length.toString(16)}\r\n${part}\r\n`
  const answer = await raw(
    `POST /_matrix/client/v3/post HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n${chunk.repeat(4)}`,
  )
  expect(answer).toMatch(/^HTTP\/1\.1 413/)
  expect(answer).toContain('M_TOO_LARGE')
  const declared = await raw('POST /_matrix/client/v3/post HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\n\r\n{')
  expect(declared).toMatch(/^HTTP\/1\.1 413/)
})

test('bodies and answers are streamed', async () => {
  const upload = await fetch(`${listener.url}/_matrix/media/v3/upload`, { method: 'POST', body: Buffer.alloc(900_000) })
  expect(await upload.json()).toEqual({ length: 900_000 })
  const tooMuch = await fetch(`${listener.url}/_matrix/media/v3/upload`, {
    method: 'POST',
    body: Buffer.alloc(1_000_001),
  })
  expect(tooMuch.status).toBe(413)
  const download = await fetch(`${listener.url}/_matrix/media/v3/stream`)
  expect((await download.arrayBuffer()).byteLength).toBe(500_000)
  expect(download.headers.get('content-type')).toBe('application/octet-stream')
})

test('a caller who goes away ends the wait', async () => {
  const before = ended.length
  const socket = connect(listener.port, '127.0.0.1')
  await once(socket, 'connect')
  socket.write('GET /_matrix/client/v3/wait HTTP/1.1\r\nHost: x\r\n\r\n')
  await systemClock.sleep(50)
  socket.destroy()
  for (let i = 0; i < 40 && ended.length === before; i++) await systemClock.sleep(25)
  expect(ended.length).toBe(before + 1)
})

test('long polls are answered when the server stops, and closing does not wait for kept-alive connections', async () => {
  const other = await listen(
    { host: '127.0.0.1', port: 0, resources: [], tls: null },
    mount(deps, endpoints),
    systemClock,
  )
  const poll = fetch(`${other.url}/_matrix/client/v3/wait`)
  await systemClock.sleep(100)
  const started = systemClock.monotonic()
  stopping.abort()
  await other.close(4_000)
  expect(systemClock.monotonic() - started).toBeLessThan(2_000)
  expect(await (await poll).json()).toEqual({ woken: true })
})
