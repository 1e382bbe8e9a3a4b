import * as v from 'valibot'
import { describe, expect, test } from 'vitest'
import { endpoint } from '../../../src/http/endpoint.ts'
import { mount } from '../../../src/http/mount.ts'
import { booleanParam, integerParam, jsonObject, repeated, roomId, userId } from '../../../src/http/schemas.ts'
import { MatrixError } from '../../../src/protocol/errors.ts'
import { RawJson } from '../../../src/util/raw-json.ts'
import { caller, httpDeps } from '../../support/http-deps.ts'

const echo = endpoint({
  method: 'PUT',
  path: '/_matrix/client/v3/rooms/:roomId/state/:type/:key',
  aliases: ['/_matrix/client/v3/rooms/:roomId/state/:type', '/_matrix/client/v3/rooms/:roomId/state/:type/'],
  auth: 'none',
  limit: 'none',
  params: v.object({ roomId, type: v.string(), key: v.string() }),
  query: v.object({
    limit: v.optional(integerParam({ least: 1, most: 100 })),
    via: v.optional(repeated(v.string())),
    full: v.optional(booleanParam),
  }),
  body: jsonObject,
  handle: ({ params, query, body }) => ({ params, query, body }),
})
const strict = endpoint({
  method: 'POST',
  path: '/_matrix/client/v3/kick',
  auth: 'none',
  limit: 'none',
  body: v.object({ user_id: userId, reason: v.optional(v.string()) }),
  handle: ({ body }) => body,
})
const read = endpoint({
  method: 'GET',
  path: '/_matrix/client/v3/kick',
  auth: 'none',
  limit: 'none',
  handle: () => ({ part: new RawJson('{"a":1.0}') }),
})
const broken = endpoint({
  method: 'GET',
  path: '/_matrix/client/v1/broken',
  auth: 'none',
  limit: 'none',
  handle() {
    throw new TypeError('secret detail')
  },
})
const refusing = endpoint({
  method: 'GET',
  path: '/_matrix/client/v1/refusing',
  auth: 'none',
  limit: 'none',
  handle() {
    throw new MatrixError('M_LIMIT_EXCEEDED', 'slow down', { retry_after_ms: 1500 })
  },
})
const config = endpoint({
  method: 'GET',
  path: '/_matrix/media/v3/config',
  auth: 'none',
  limit: 'none',
  handle: () => ({}),
})
const call = caller(httpDeps(), [echo, strict, read, broken, refusing, config])

const room = '!room:lethe.test'
const encodedRoom = encodeURIComponent(room)

describe('routing', () => {
  test('parameters are decoded, %2F too', async () => {
    const { status, json } = await call('PUT', `/_matrix/client/v3/rooms/${encodedRoom}/state/a%2Fb/%2Fk%20y`, {
      body: { x: 1 },
    })
    expect(status).toBe(200)
    expect(json).toEqual({ params: { roomId: room, type: 'a/b', key: '/k y' }, query: {}, body: { x: 1 } })
  })

  test.each(['', '/'])('a path without its last parameter, ending in "%s", has it empty', async (end) => {
    const { json } = await call('PUT', `/_matrix/client/v3/rooms/${encodedRoom}/state/t${end}`, { body: {} })
    expect(json.params).toEqual({ roomId: room, type: 't', key: '' })
  })

  test('r0 of every client v3 path, and r0 and v1 of media v3', async () => {
    expect((await call('PUT', `/_matrix/client/r0/rooms/${encodedRoom}/state/t/k`, { body: {} })).status).toBe(200)
    expect((await call('GET', '/_matrix/media/r0/config')).status).toBe(200)
    expect((await call('GET', '/_matrix/media/v1/config')).status).toBe(200)
  })

  test('invalid UTF-8 in a parameter is M_INVALID_PARAM', async () => {
    const { status, json } = await call('PUT', '/_matrix/client/v3/rooms/%ff/state/t/k', { body: {} })
    expect([status, json.errcode]).toEqual([400, 'M_INVALID_PARAM'])
  })

  test('an unknown path is 404, a known one with another method 405, both M_UNRECOGNIZED as JSON with CORS', async () => {
    for (const [method, path, status] of [
      ['GET', '/_matrix/client/v3/nothing', 404],
      ['DELETE', '/_matrix/client/v3/kick', 405],
      ['PATCH', '/_matrix/client/v3/kick', 405],
    ] as const) {
      const answer = await call(method, path)
      expect([answer.status, answer.json.errcode]).toEqual([status, 'M_UNRECOGNIZED'])
      expect(answer.headers.get('access-control-allow-origin')).toBe('*')
      expect(answer.headers.get('content-type')).toBe('application/json')
    }
  })

  test('OPTIONS is 200 with CORS for any path, without a token', async () => {
    const { status, headers, text } = await call('OPTIONS', '/_matrix/client/v3/anything')
    expect([status, text]).toEqual([200, ''])
    expect(headers.get('access-control-allow-methods')).toBe('GET, POST, PUT, DELETE, OPTIONS')
    expect(headers.get('access-control-allow-headers')).toBe('X-Requested-With, Content-Type, Authorization')
  })

  test('HEAD is answered as GET', async () => {
    expect((await call('HEAD', '/_matrix/client/v3/kick')).status).toBe(200)
  })

  test('two endpoints for one method and path are refused', () => {
    expect(() => mount(httpDeps(), [read, read])).toThrow('two endpoints')
  })

  test('a listener offers only its resources', async () => {
    const app = mount(httpDeps(), [read, config], ['media'])
    expect((await app.fetch(new Request('http://x/_matrix/media/v3/config'))).status).toBe(200)
    expect((await app.fetch(new Request('http://x/_matrix/client/v3/kick'))).status).toBe(404)
  })
})

describe('input', () => {
  const path = `/_matrix/client/v3/rooms/${encodedRoom}/state/t/k`
  test('the query is typed, repeated keys are lists, unknown keys are ignored, large limits are clamped', async () => {
    const { json } = await call('PUT', `${path}?limit=100000&via=a&via=b&full=true&_cacheBuster=1`, { body: {} })
    expect(json.query).toEqual({ limit: 100, via: ['a', 'b'], full: true })
  })

  test.each(['limit=x', 'limit=0', 'limit=1&limit=2', 'full=yes', 'limit=-1', 'limit=1.5'])(
    '?%s is M_INVALID_PARAM',
    async (query) => {
      const { status, json } = await call('PUT', `${path}?${query}`, { body: {} })
      expect([status, json.errcode]).toEqual([400, 'M_INVALID_PARAM'])
    },
  )

  test.each([
    ['{', 'M_NOT_JSON'],
    ['nonsense', 'M_NOT_JSON'],
    [new Uint8Array([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]), 'M_NOT_JSON'],
    ['[]', 'M_BAD_JSON'],
    ['"text"', 'M_BAD_JSON'],
    ['{}', 'M_BAD_JSON'],
    ['', 'M_BAD_JSON'],
    ['{"user_id":5}', 'M_BAD_JSON'],
    ['{"user_id":"alice"}', 'M_INVALID_PARAM'],
    ['['.repeat(5000) + ']'.repeat(5000), 'M_BAD_JSON'],
  ])('the body %s is %s', async (raw, errcode) => {
    const { status, json } = await call('POST', '/_matrix/client/v3/kick', { raw })
    expect([status, json.errcode]).toEqual([400, errcode])
  })

  test('a refusal does not repeat the value', async () => {
    const { text } = await call('POST', '/_matrix/client/v3/kick', { body: { user_id: 'private words', reason: {} } })
    expect(text).not.toContain('private words')
  })

  test('__proto__ in a body is a key like any other', async () => {
    const { text } = await call('PUT', path, { raw: '{"__proto__":{"admin":true}}' })
    expect(text).toContain('"body":{"__proto__":{"admin":true}}')
  })

  test('a body over the limit is M_TOO_LARGE, also when its length is not declared', async () => {
    const big = `{"x":"${'a'.repeat(200_000)}"}`
    const stream = new ReadableStream({
      start(controller) {
        for (let i = 0; i < 10; i++) controller.enqueue(new TextEncoder().encode('x'.repeat(50_000)))
        controller.close()
      },
    })
    for (const raw of [big, stream]) {
      const { status, json } = await call('PUT', path, { raw })
      expect([status, json.errcode]).toEqual([413, 'M_TOO_LARGE'])
    }
  })
})

describe('answers', () => {
  test('raw JSON goes out as it is', async () => {
    const { text, headers } = await call('GET', '/_matrix/client/v3/kick')
    expect(text).toBe('{"part":{"a":1.0}}')
    expect(headers.get('content-type')).toBe('application/json')
  })

  test('an unexpected error is a 500 that tells nothing but the request', async () => {
    const { status, json, text } = await call('GET', '/_matrix/client/v1/broken')
    expect([status, json.errcode]).toEqual([500, 'M_UNKNOWN'])
    expect(json.request_id).toMatch(/-\d+$/)
    expect(text).not.toContain('secret')
  })

  test('Retry-After in whole seconds goes with retry_after_ms', async () => {
    const { status, json, headers } = await call('GET', '/_matrix/client/v1/refusing')
    expect([status, json.retry_after_ms, headers.get('retry-after')]).toEqual([429, 1500, '2'])
  })

  test('no answer, not even a refusal, leaves before what was committed is on disk', async () => {
    const order: string[] = []
    const durable = async () => {
      await Promise.resolve()
      order.push('synced')
    }
    const wait = caller(httpDeps({}, { database: { durable } }), [read, refusing, broken])
    for (const path of ['/_matrix/client/v3/kick', '/_matrix/client/v1/refusing', '/_matrix/client/v1/broken']) {
      await wait('GET', path)
      order.push('answered')
    }
    expect(order).toEqual(['synced', 'answered', 'synced', 'answered', 'synced', 'answered'])
  })

  test('only the answer that tells what its own synced write made waits for nobody else, and its refusal does', async () => {
    const order: string[] = []
    const durable = async () => {
      await Promise.resolve()
      order.push('synced')
    }
    const writing = endpoint({
      method: 'POST',
      path: '/_matrix/client/v3/writing',
      auth: 'none',
      limit: 'none',
      tellsOwnWrite: true,
      body: v.object({ fails: v.boolean() }),
      async handle({ body: { fails } }) {
        if (fails) throw new MatrixError('M_FORBIDDEN', 'no')
        return {}
      },
    })
    const call = caller(httpDeps({}, { database: { durable } }), [writing])
    for (const fails of [false, true]) {
      await call('POST', '/_matrix/client/v3/writing', { body: { fails } })
      order.push('answered')
    }
    expect(order).toEqual(['answered', 'synced', 'answered'])
  })

  test('when the disk fails, what was done is not confirmed', async () => {
    const durable = async () => {
      throw new MatrixError('M_UNKNOWN', 'the database cannot write', {}, 503)
    }
    const { status, headers } = await caller(httpDeps({}, { database: { durable } }), [read])(
      'GET',
      '/_matrix/client/v3/kick',
    )
    expect([status, headers.get('retry-after')]).toEqual([503, '5'])
  })
})
