import { mkdtempSync, rmSync } from 'node:fs'
import { connect } from 'node:net'
import type { Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ApiClient } from '../support/api-client.ts'
import { LetheProcess } from '../support/lethe-process.ts'
import { readAnswers } from '../support/wire.ts'
import type { WireAnswer } from '../support/wire.ts'

const folder = mkdtempSync(join(tmpdir(), 'lethe-wire-'))
let lethe: LetheProcess
let alice: ApiClient
let bob: ApiClient

beforeAll(async () => {
  lethe = await LetheProcess.start({ folder })
  alice = await new ApiClient(lethe.clientUrl).register('alice')
  bob = await new ApiClient(lethe.clientUrl).register('bob')
}, 60_000)
afterAll(async () => {
  await lethe?.stop('SIGKILL')
  rmSync(folder, { recursive: true, force: true })
})

function open(): Socket {
  const { hostname, port } = new URL(lethe.clientUrl)
  // a connection that the server ends is an outcome, not a fault of the test
  return connect(Number(port), hostname).on('error', () => {})
}

/** Writes these bytes and reads so many answers, or what comes until the connection ends. */
async function say(bytes: string | Buffer, count = 1): Promise<WireAnswer[]> {
  const socket = open()
  socket.write(bytes)
  try {
    return await readAnswers(socket, count)
  } finally {
    socket.destroy()
  }
}

const head = (method: string, target: string, headers: Record<string, string> = {}) =>
  `${method} ${target} HTTP/1.1\r\nHost: localhost\r\n${Object.entries(headers)
    .map(([name, value]) => `${name}: ${value}\r\n`)
    .join('')}\r\n`
const whoami = (user: ApiClient, more: Record<string, string> = {}) =>
  head('GET', '/_matrix/client/v3/account/whoami', { Authorization: `Bearer ${user.token}`, ...more })

function expectError(answer: WireAnswer | undefined, status: number, errcode: string): void {
  expect(answer, JSON.stringify(answer)).toMatchObject({ status })
  expect(answer?.headers['content-type']).toMatch(/^application\/json/)
  expect(answer?.headers['access-control-allow-origin']).toBe('*')
  expect(JSON.parse(answer?.body ?? '')).toMatchObject({ errcode, error: expect.any(String) })
}

describe('answers', () => {
  test('CORS: a preflight, an answer and an error all carry the headers', async () => {
    const [preflight] = await say(
      head('OPTIONS', '/_matrix/client/v3/login', {
        Origin: 'https://app.example',
        'Access-Control-Request-Method': 'POST',
      }),
    )
    expect([200, 204]).toContain(preflight?.status)
    expect(preflight?.headers).toMatchObject({
      'access-control-allow-origin': '*',
      'access-control-allow-methods': 'GET, POST, PUT, DELETE, OPTIONS',
      'access-control-allow-headers': 'X-Requested-With, Content-Type, Authorization',
    })
    const [versions] = await say(head('GET', '/_matrix/client/versions'))
    expect(versions).toMatchObject({ status: 200, headers: { 'access-control-allow-origin': '*' } })
    expectError((await say(head('GET', '/_matrix/client/v3/account/whoami')))[0], 401, 'M_MISSING_TOKEN')
  })

  test('unknown path: 404; known path, wrong method: 405; both M_UNRECOGNIZED', async () => {
    for (const target of [
      '/_matrix/client/v3/nothing',
      '/_matrix/client/v99/login',
      '/_matrix/',
      '/_matrix/client/v3/login/',
      '/_matrix/client/v3//login',
    ]) {
      expectError((await say(head('GET', target)))[0], 404, 'M_UNRECOGNIZED')
    }
    for (const method of ['DELETE', 'PUT', 'PATCH']) {
      expectError(
        (await say(head(method, '/_matrix/client/versions', { 'Content-Length': '0' })))[0],
        405,
        'M_UNRECOGNIZED',
      )
    }
  })

  test('what is not for this listener is not there', async () => {
    for (const target of [
      '/_matrix/federation/v1/version',
      '/_matrix/key/v2/server',
      '/_synapse/admin/v1/register',
      '/_lethe/admin/v1/users',
      '/_lethe/metrics',
    ]) {
      expect((await say(head('GET', target)))[0], target).toMatchObject({ status: 404 })
    }
  })

  test('a path that is no UTF-8, or no path, is refused without a fault', async () => {
    const authorization = { Authorization: `Bearer ${alice.token}` }
    for (const target of [
      '/_matrix/client/v3/profile/%ff%fe',
      '/_matrix/client/v3/profile/%c3%28',
      '/_matrix/client/v3/profile/%',
      '/_matrix/client/v3/directory/room/%ED%A0%80',
    ]) {
      const [answer] = await say(head('GET', target, authorization))
      expect(answer, target).toMatchObject({ status: 400 })
      expect(JSON.parse(answer?.body ?? '')).toMatchObject({ errcode: expect.stringMatching(/^M_/) })
    }
    for (const target of [
      '/_matrix/client/v3/profile/ÿ',
      '*',
      'nonsense',
      'http://[/_matrix',
      '/_matrix/client/../../etc/passwd',
      '/%2e%2e/_matrix/client/versions',
    ]) {
      const [answer] = await say(Buffer.from(head('GET', target, authorization), 'latin1'))
      expect(answer?.status, target).toBeGreaterThanOrEqual(400)
      expect(answer?.status, target).toBeLessThan(500)
    }
  })

  test('an encoded slash belongs to its parameter, a trailing one is an empty state key', async () => {
    const room = await alice.createRoom()
    const [set] = await say(
      head('PUT', `/_matrix/client/v3/rooms/${encodeURIComponent(room)}/state/org.example.a%2Fb/`, {
        Authorization: `Bearer ${alice.token}`,
        'Content-Length': '2',
      }) + '{}',
    )
    expect(set, set?.body).toMatchObject({ status: 200 })
    const state = (await alice.state(room)) as { type: string; state_key: string }[]
    expect(state.filter(({ type }) => type === 'org.example.a/b')).toMatchObject([{ state_key: '' }])
  })
})

describe('bodies', () => {
  const post = (body: string | Buffer, headers: Record<string, string> = {}) =>
    Buffer.concat([
      Buffer.from(
        head('POST', '/_matrix/client/v3/createRoom', {
          Authorization: `Bearer ${alice.token}`,
          'Content-Type': 'application/json',
          'Content-Length': String(Buffer.byteLength(body)),
          ...headers,
        }),
      ),
      Buffer.from(body),
    ])

  test.each([
    ['no JSON', '{"name":', 400, 'M_NOT_JSON'],
    ['no UTF-8', Buffer.from('7b226e616d65223a22ff227d', 'hex'), 400, 'M_NOT_JSON'],
    ['no object', '[]', 400, 'M_BAD_JSON'],
    ['a wrong type', '{"name":1}', 400, 'M_BAD_JSON'],
  ])('%s: %s', async (_, body, status, errcode) => {
    expectError((await say(post(body)))[0], status, errcode)
  })

  test('more than the limit: 413, by its length, without it, and however long it goes on', async () => {
    const large = `{"name":"${'x'.repeat(200_000)}"}`
    expectError((await say(post(large)))[0], 413, 'M_TOO_LARGE')
    const chunked = head('POST', '/_matrix/client/v3/createRoom', {
      Authorization: `Bearer ${alice.token}`,
      'Transfer-Encoding': 'chunked',
    })
    const chunk = `4000\r\n${'x'.repeat(0x4000)}\r\n`
    expectError((await say(chunked + chunk.repeat(20)))[0], 413, 'M_TOO_LARGE')
    // one that promises 10 GB is refused before it has sent them
    const promised = head('POST', '/_matrix/client/v3/createRoom', {
      Authorization: `Bearer ${alice.token}`,
      'Content-Length': '10000000000',
    })
    expectError((await say(promised + 'x'.repeat(200_000)))[0], 413, 'M_TOO_LARGE')
    expect((await say(whoami(alice)))[0]).toMatchObject({ status: 200 })
  })

  test('a body beside a request that needs none does not become the next request', async () => {
    const smuggled = whoami(bob)
    const first =
      head('GET', '/_matrix/client/v3/account/whoami', {
        Authorization: `Bearer ${alice.token}`,
        'Content-Length': String(smuggled.length),
      }) + smuggled
    const answers = await say(first + whoami(alice), 2)
    expect(answers.map(({ body }) => JSON.parse(body) as unknown)).toMatchObject([
      { user_id: alice.userId },
      { user_id: alice.userId },
    ])
  })

  test('a length and chunks at once, two lengths, a line that is no header: 400, and the connection ends', async () => {
    for (const headers of [
      'Content-Length: 2\r\nTransfer-Encoding: chunked',
      'Content-Length: 2\r\nContent-Length: 3',
      'no header',
      'Content-Length: -1',
      'Content-Length : 2',
    ]) {
      const answers = await say(
        `POST /_matrix/client/v3/login HTTP/1.1\r\nHost: localhost\r\n${headers}\r\n\r\n{}${whoami(alice)}`,
        3,
      )
      expect(
        answers.map(({ status }) => status),
        headers,
      ).toEqual([400])
    }
  })
})

describe('connections', () => {
  test('requests in one packet are answered in their order, each to its own user', async () => {
    const users = Array.from({ length: 40 }, (_, i) => (i % 3 === 0 ? alice : bob))
    const answers = await say(users.map((user) => whoami(user)).join(''), users.length)
    expect(answers.map(({ body }) => (JSON.parse(body) as { user_id: string }).user_id)).toEqual(
      users.map(({ userId }) => userId),
    )
  })

  test('a slow request before a quick one on the same connection keeps its place', async () => {
    const { next_batch: since } = await alice.sync()
    const poll = head('GET', `/_matrix/client/v3/sync?timeout=1000&since=${encodeURIComponent(since)}`, {
      Authorization: `Bearer ${alice.token}`,
    })
    const [slow, quick] = await say(poll + whoami(bob), 2)
    expect(slow?.body).toContain('next_batch')
    expect(JSON.parse(quick?.body ?? '')).toMatchObject({ user_id: bob.userId })
  })

  test('a client that hangs up in a long poll harms nobody', async () => {
    const { next_batch: since } = await alice.sync()
    const poll = head('GET', `/_matrix/client/v3/sync?timeout=30000&since=${encodeURIComponent(since)}`, {
      Authorization: `Bearer ${alice.token}`,
    })
    for (let i = 0; i < 50; i++) {
      const socket = open()
      socket.write(poll, () => setTimeout(() => socket.destroy(), 50))
    }
    await new Promise((resolve) => setTimeout(resolve, 300))
    expect((await say(whoami(alice)))[0]).toMatchObject({ status: 200 })
  })

  test.concurrent('headers that take longer than 10 s end the connection', async () => {
    const socket = open()
    const ended = readAnswers(socket, 1)
    const from = performance.now()
    const timer = setInterval(() => socket.write('X-Slow: 1\r\n'), 500)
    socket.write('GET /_matrix/client/versions HTTP/1.1\r\nHost: localhost\r\n')
    const answers = await ended
    clearInterval(timer)
    const afterMs = performance.now() - from
    expect(afterMs).toBeGreaterThan(9_000)
    expect(afterMs).toBeLessThan(20_000)
    expect(answers.map(({ status }) => status).filter((status) => status !== 408)).toEqual([])
  }, 40_000)

  test.concurrent('headers of a megabyte are refused', async () => {
    const [answer] = await say(
      `GET /_matrix/client/versions HTTP/1.1\r\nHost: localhost\r\nX-Large: ${'x'.repeat(1_000_000)}\r\n\r\n`,
    )
    expect(answer).toMatchObject({ status: 431 })
  })
})
