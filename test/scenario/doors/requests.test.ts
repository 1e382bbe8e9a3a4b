import { connect } from 'node:net'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { allEndpoints } from '../../../src/http/routes.ts'
import type { JsonObject } from '../../../src/protocol/json-types.ts'
import { createApp } from '../../../src/server.ts'
import { listen, type Listener } from '../../../src/server/listener.ts'
import { findReceipt } from '../../../src/store/receipts.ts'
import { readAnswers } from '../../support/wire.ts'
import type { EvilRoom } from '../../support/evil/room.ts'
import { Stage, them, us, userOf } from '../../support/evil/stage.ts'

let stage: Stage
let listener: Listener
beforeAll(async () => {
  stage = await Stage.start()
  const { deps } = stage.server.composed
  listener = await listen(
    { host: '127.0.0.1', port: 0, tls: null } as Parameters<typeof listen>[0],
    createApp(deps),
    deps.clock,
  )
})
afterAll(async () => {
  await listener.close(100)
  await stage[Symbol.asyncDispose]()
})

const at = encodeURIComponent
const routes = allEndpoints
  .filter(({ auth }) => auth === 'server')
  .flatMap(({ method, path, aliases = [] }) => [path, ...aliases].map((each) => ({ method, path: each })))

/** A path with something in the place of its parameters. */
function filled(path: string, values: Readonly<Record<string, string>> = {}): string {
  const known: Readonly<Record<string, string>> = {
    roomId: '!nowhere:a.test',
    eventId: `$${'e'.repeat(43)}`,
    userId: userOf('mallory'),
    txnId: 'txn',
    ...values,
  }
  return path.replace(/:(\w+)/g, (_, name: string) => at(known[name] ?? 'x'))
}

describe('every route for servers', () => {
  test('there are some', () => expect(routes.length).toBeGreaterThan(20))

  test.each(routes)('$method $path: 401 unless it is signed as it is sent', async ({ method, path }) => {
    const target = filled(path)
    const body = method === 'GET' ? undefined : '{}'
    const ask = async (twist: Parameters<Stage['request']>[3], to = target) =>
      (await stage.request(method, to, body, twist)).status
    expect(await ask({ authorization: [] })).toBe(401)
    expect(await ask({ destination: them })).toBe(401)
    expect(await ask({ signedMethod: 'DELETE' })).toBe(401)
    expect(await ask({ signedUri: target }, `${target}?room_id=x`)).toBe(401)
    expect(await ask({ origin: us })).toBe(401)
    expect(await ask({ origin: us, key: stage.server.composed.deps.signingKey })).toBe(401)
    expect(await ask({ signedBody: { other: true } })).toBe(401)
    expect(await ask({})).not.toBe(401)
  })
})

describe('the target as it was sent is what is signed', () => {
  async function status(sent: string, signed: string): Promise<number | undefined> {
    const header = stage.evil.request(us, 'GET', '/_matrix/x', undefined, { signedUri: signed })
    const socket = connect(listener.port, '127.0.0.1')
    const answers = readAnswers(socket, 1)
    socket.write(`GET ${sent} HTTP/1.1\r\nHost: ${us}\r\nAuthorization: ${header.headers.get('authorization')}\r\n\r\n`)
    const [answer] = await answers
    socket.destroy()
    return answer?.status
  }

  test.each([
    ['/_matrix/federation/v1/event/%2e%2e', '/_matrix/federation/v1/event/..'],
    ['/_matrix/federation/v1/event/%2e%2e', '/_matrix/federation/v1/'],
    ['/_matrix/federation/v1/event/%24x%2Fy', '/_matrix/federation/v1/event/$x/y'],
    ['/_matrix/federation/v1/event/%24x?a=%20', '/_matrix/federation/v1/event/%24x?a=+'],
  ])('%s is not %s', async (sent, other) => {
    expect(await status(sent, other)).toBe(401)
    expect([400, 404]).toContain(await status(sent, sent))
  })
})

describe("a server that the room's ACL denies", () => {
  let room: EvilRoom
  let said: string
  const marker = () => `d${Math.random().toString(36).slice(2)}`
  const ofRoom = routes.filter(({ path }) => path.includes(':roomId') || path.includes('/event/'))

  /** Answers of every door about the room. */
  async function answers(): Promise<Map<string, number>> {
    const statuses = new Map<string, number>()
    for (const { method, path } of ofRoom) {
      const kind = /(join|leave|knock|invite)\//.exec(path)?.[1] ?? ''
      const user = userOf(marker())
      const about = kind === 'invite' ? stage.bob : user
      const sender = kind === 'invite' ? room.creator : user
      const member = room.build({ type: 'm.room.member', sender, stateKey: about, content: { membership: kind } })
      const isHanded = method === 'PUT'
      const target = filled(path, { roomId: room.id, userId: user, eventId: isHanded ? member.eventId : said })
      const query: Readonly<Record<string, string>> = {
        backfill: `?limit=5&v=${at(said)}`,
        state: `?event_id=${at(said)}`,
        state_ids: `?event_id=${at(said)}`,
        make_join: '?ver=11',
        make_knock: '?ver=11',
        timestamp_to_event: '?ts=1&dir=f',
      }
      const name = path.split('/')[4] ?? ''
      const asked = JSON.stringify({ earliest_events: [], latest_events: [said], limit: 5 })
      const v2 = `{"room_version":"11","event":${member.text},"invite_room_state":[]}`
      const handed = kind === 'invite' && path.includes('/v2/') ? v2 : member.text
      const body = method === 'GET' ? undefined : method === 'POST' ? asked : handed
      const { status } = await stage.request(method, target + (query[name] ?? ''), body)
      statuses.set(`${method} ${path}`, status)
    }
    return statuses
  }

  beforeAll(async () => {
    room = await stage.room({ joinRule: 'public' })
    const message = room.add({ type: 'm.room.message', content: { body: 'before' } })
    await stage.send([message.text])
    said = message.eventId
  })

  test('is let in by none of the doors, and was by all of them before', async () => {
    const before = await answers()
    // a public room takes no knocks, and the invite of version 1 is of another room version
    const closed = [
      '/_matrix/federation/v1/make_knock/',
      '/_matrix/federation/v1/send_knock/',
      '/v1/invite/',
      '/make_leave/',
      '/send_leave/',
    ]
    for (const [door, status] of before)
      if (!closed.some((part) => door.includes(part))) expect([door, status]).toEqual([door, 200])
    const acl = { allow: ['*'], deny: ['EVIL.test'], allow_ip_literals: false }
    const event = room.add({ type: 'm.room.server_acl', stateKey: '', content: acl })
    expect((await stage.send([event.text])).json.pdus).toEqual({ [event.eventId]: {} })
    for (const [door, status] of await answers()) expect([door, status >= 400 && status < 500]).toEqual([door, true])
  })

  test('and neither its events nor what it says of typing and reading', async () => {
    const hidden = room.build({ type: 'm.room.message', content: { body: 'hidden' } })
    const { creator } = room
    const receipt = { [room.id]: { 'm.read': { [creator]: { event_ids: [said], data: { ts: 1 } } } } }
    const edus: JsonObject[] = [
      { edu_type: 'm.typing', content: { room_id: room.id, user_id: creator, typing: true } },
      { edu_type: 'm.receipt', content: receipt },
    ]
    const answer = await stage.send([hidden.text], edus)
    expect(answer.json.pdus).toEqual({ [hidden.eventId]: { error: expect.stringContaining('ACL') } })
    expect(await stage.stored(hidden.eventId)).toEqual([])
    const { deps } = stage.server.composed
    const { nid } = await stage.server.room(room.id)
    expect(deps.typing.list(nid)).toEqual([])
    const read = await deps.database.read(async (conn) => {
      const userNid = (await deps.roomCache.userNid(conn, creator)) as number
      return findReceipt(conn, { roomNid: nid, userNid, type: 'm.read', threadId: '' })
    })
    expect(read).toBeUndefined()
  })
})
