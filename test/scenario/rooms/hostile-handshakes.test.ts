import { describe, expect, test } from 'vitest'
import type { JsonObject } from '../../../src/protocol/json-types.ts'
import { parseEvent } from '../../../src/protocol/parse-event.ts'
import { isRefusal } from '../../../src/protocol/event-refusal.ts'
import { generateSigningKey } from '../../../src/protocol/sign.ts'
import type { ServerName } from '../../../src/protocol/ids.ts'
import { randomBytes } from 'node:crypto'
import type { EvilServer } from '../../support/evil.ts'
import { version } from '../../support/engine.ts'
import { RoomsWorld } from '../../support/rooms-world.ts'
import type { WorldServer, WorldUser } from '../../support/rooms-world.ts'
import { putAccountFlags } from '../../../src/store/accounts.ts'
import { sqlQuery } from '../../../src/store/query.ts'

const v11 = version('11')
const at = encodeURIComponent
const a = 'a.test' as ServerName
const path = (...parts: string[]) => `/_matrix/federation/${parts.map(at).join('/')}`.replaceAll('%2Fv', '/v')

type Twist = (event: JsonObject) => JsonObject

const content =
  (more: JsonObject): Twist =>
  (event) => ({ ...event, content: { ...(event.content as JsonObject), ...more } })

/** What a template must not be, and what it is said to be then. */
const badTemplates: readonly (readonly [string, Twist | string])[] = [
  ['another type', (event) => ({ ...event, type: 'm.room.power_levels' })],
  ['another sender', (event) => ({ ...event, sender: '@admin:a.test' })],
  ['another state key', (event) => ({ ...event, state_key: '@admin:a.test' })],
  ['another room', (event) => ({ ...event, room_id: '!other:evil.test' })],
  ['another membership', content({ membership: 'ban' })],
  ['an authoriser of another server', content({ join_authorised_via_users_server: '@bob:b.test' })],
  ['extra keys', (event) => ({ ...event, 'org.evil.key': true })],
  ['extra keys in the content', content({ 'org.evil.key': true })],
  [
    'a thousand previous events',
    (event) => ({ ...event, prev_events: Array.from({ length: 1000 }, (_, i) => `$${String(i).padStart(43, 'a')}`) }),
  ],
  ['previous events that are none', (event) => ({ ...event, prev_events: [{ evil: true }] })],
  ['no auth events', (event) => ({ ...event, auth_events: [] })],
  ['a depth that is none', (event) => ({ ...event, depth: 1.5 })],
  ['an unknown version', '99'],
]

describe('templates of a hostile server are not signed', () => {
  test.each(badTemplates)('%s', async (_, twist) => {
    await using world = await RoomsWorld.start('a.test')
    const alice = await world.server('a.test').user('alice')
    const evil = world.evil('evil.test')
    evil.handlers.push((request) => {
      const { pathname } = new URL(request.url)
      const kind = /make_(join|leave|knock)/.exec(pathname)?.[1]
      if (kind === undefined) return pathname.includes('/send_') ? Response.json({}) : undefined
      const honest: JsonObject = {
        type: 'm.room.member',
        room_id: '!room:evil.test',
        sender: alice.id,
        state_key: alice.id,
        content: { membership: kind },
        prev_events: [`$${'p'.repeat(43)}`],
        auth_events: [`$${'c'.repeat(43)}`],
        depth: 5,
      }
      const isVersion = typeof twist === 'string'
      return Response.json({ room_version: isVersion ? twist : '11', event: isVersion ? honest : twist(honest) })
    })
    const joined = await alice.call('POST', `/join/${at('!room:evil.test')}`)
    expect(joined).toMatchObject({ status: 502, body: { errcode: 'M_UNKNOWN' } })
    const knocked = await alice.call('POST', `/knock/${at('!room:evil.test')}`)
    expect(knocked).toMatchObject({ status: 502, body: { errcode: 'M_UNKNOWN' } })
    expect(evil.received.filter(({ target }) => target.includes('make_'))).toHaveLength(2)
    expect(evil.received.filter(({ target }) => target.includes('send_'))).toEqual([])
  })
})

/** A join, leave or knock of a user of the hostile server, from the template of ours. */
async function handshake(
  evil: EvilServer,
  server: WorldServer,
  roomId: string,
  kind: 'join' | 'leave' | 'knock',
  twist: Twist = (event) => event,
) {
  const mallory = '@mallory:evil.test'
  const target = `${path('v1', `make_${kind}`, roomId, mallory)}${kind === 'leave' ? '' : '?ver=11'}`
  const made = (await (await server.fetch(evil.request(a, 'GET', target))).json()) as { event?: JsonObject }
  if (made.event === undefined) return { made, status: 0, body: undefined as unknown, text: JSON.stringify(made) }
  const { origin: _origin, ...fields } = made.event
  return send(evil, server, roomId, kind, evil.event(v11, twist({ ...fields, origin_server_ts: Date.now() })))
}

async function send(
  evil: EvilServer,
  server: WorldServer,
  roomId: string,
  kind: string,
  pdu: JsonObject,
  eventId = idOf(pdu),
) {
  const version = kind === 'knock' ? 'v1' : 'v2'
  const answer = await server.fetch(evil.request(a, 'PUT', path(version, `send_${kind}`, roomId, eventId), pdu))
  const text = await answer.text()
  return { made: undefined, status: answer.status, body: JSON.parse(text) as unknown, text }
}

function idOf(pdu: JsonObject): string {
  const event = parseEvent(v11, pdu)
  return isRefusal(event) ? `$${'x'.repeat(43)}` : event.eventId
}

async function openRoom(world: RoomsWorld, more: object = {}) {
  const server = world.server('a.test')
  const alice = await server.user('alice')
  const { room_id: roomId } = await alice.ok('POST', '/createRoom', {
    room_version: '11',
    preset: 'public_chat',
    ...more,
  })
  return { server, alice, roomId: roomId as string }
}

const listForged = sqlQuery<Record<never, never>, { readonly json: string }>(
  'test_listForged',
  "select json from events where json like '%mallory%' and json like '%join_authorised_via_users_server%'",
)

async function lock({ composed: { deps } }: WorldServer, { id }: WorldUser, locked: boolean): Promise<void> {
  const userNid = await deps.database.read((conn) => deps.roomCache.userNid(conn, id))
  const flags = { locked, suspended: false, admin: false }
  await deps.database.write((tx) => putAccountFlags(tx, userNid ?? 0, flags))
}

describe('handshakes of a hostile server', () => {
  const other = generateSigningKey((size) => randomBytes(size))
  const bad: readonly (readonly [string, Twist])[] = [
    ['another type', (event) => ({ ...event, type: 'm.room.topic' })],
    ['a sender of ours', (event) => ({ ...event, sender: '@alice:a.test', state_key: '@alice:a.test' })],
    ['another state key', (event) => ({ ...event, state_key: '@alice:a.test' })],
    ['no state key', ({ state_key: _key, ...event }) => event],
    ['another room', (event) => ({ ...event, room_id: '!other:a.test' })],
    ['another membership', content({ membership: 'invite' })],
  ]

  test.each(bad)('send_join and send_leave refuse %s', async (_, twist) => {
    await using world = await RoomsWorld.start('a.test')
    const evil = world.evil('evil.test')
    const { server, roomId } = await openRoom(world)
    expect(await handshake(evil, server, roomId, 'join', twist)).toMatchObject({
      status: 400,
      body: { errcode: 'M_INVALID_PARAM' },
    })
    expect(await handshake(evil, server, roomId, 'join')).toMatchObject({ status: 200 })
    expect(await handshake(evil, server, roomId, 'leave', twist)).toMatchObject({
      status: 400,
      body: { errcode: 'M_INVALID_PARAM' },
    })
    expect(await handshake(evil, server, roomId, 'leave')).toMatchObject({ status: 200 })
  })

  test('an event that is unsigned, signed by another key, changed, or under another id is refused', async () => {
    await using world = await RoomsWorld.start('a.test')
    const evil = world.evil('evil.test')
    const { server, roomId } = await openRoom(world)
    const mallory = '@mallory:evil.test'
    const target = `${path('v1', 'make_join', roomId, mallory)}?ver=11`
    const { event } = (await (await server.fetch(evil.request(a, 'GET', target))).json()) as { event: JsonObject }
    expect(event.signatures).toBeUndefined()
    const pdu = evil.event(v11, { ...event, origin_server_ts: Date.now() })
    const refused = { status: 400, body: { errcode: 'M_INVALID_PARAM' } }
    expect(await send(evil, server, roomId, 'join', { ...pdu, signatures: {} })).toMatchObject(refused)
    expect(await send(evil, server, roomId, 'join', evil.event(v11, event, other))).toMatchObject(refused)
    expect(
      await send(evil, server, roomId, 'join', { ...pdu, content: { membership: 'join', displayname: 'changed' } }),
    ).toMatchObject(refused)
    expect(await send(evil, server, roomId, 'join', pdu, `$${'y'.repeat(43)}`)).toMatchObject(refused)
    expect((await server.membership(roomId as never, mallory as never))?.membership).toBeUndefined()
    expect(await send(evil, server, roomId, 'join', pdu)).toMatchObject({ status: 200 })
    expect(await send(evil, server, roomId, 'join', pdu)).toMatchObject({ status: 200 })
  })

  test('our signature goes onto a restricted join only when a user of ours may let in who meets a condition', async () => {
    await using world = await RoomsWorld.start('a.test')
    const evil = world.evil('evil.test')
    const server = world.server('a.test')
    const [alice, bob, carol] = [await server.user('alice'), await server.user('bob'), await server.user('carol')]
    const { room_id: club } = await alice.ok('POST', '/createRoom', { room_version: '11', preset: 'public_chat' })
    const rule = { join_rule: 'restricted', allow: [{ type: 'm.room_membership', room_id: club }] }
    const { room_id: roomId } = await alice.ok('POST', '/createRoom', {
      room_version: '11',
      power_level_content_override: { invite: 50, users: { [alice.id]: 100, [carol.id]: 100 } },
      initial_state: [{ type: 'm.room.join_rules', content: rule }],
    })
    const ours = (text: string) => text.includes('"a.test":{')
    const refusedTemplate = await handshake(evil, server, roomId, 'join')
    expect(refusedTemplate.made).toMatchObject({ errcode: 'M_FORBIDDEN' })
    // the event is built without a template of ours, and names somebody who may
    const authEvents = await server.composed.deps.database.read(async (conn) => {
      const room = await server.room(roomId)
      const keys = ['m.room.create', 'm.room.power_levels', 'm.room.join_rules'].map((type) => ({ type, stateKey: '' }))
      const found = await server.composed.deps.roomCache.stateEvents(conn, room, [
        ...keys,
        { type: 'm.room.member', stateKey: alice.id },
      ])
      return found.map((event) => event?.eventId as string)
    })
    const forged = async (authoriser: string) =>
      evil.event(v11, {
        type: 'm.room.member',
        room_id: roomId,
        sender: '@mallory:evil.test',
        state_key: '@mallory:evil.test',
        content: { membership: 'join', join_authorised_via_users_server: authoriser },
        prev_events: (await server.room(roomId)).extremities.map(({ eventId }) => eventId),
        auth_events: authEvents,
        depth: 20,
        origin_server_ts: Date.now(),
      })
    const direct = await send(evil, server, roomId, 'join', await forged(alice.id))
    expect(direct).toMatchObject({ status: 403 })
    expect(ours(direct.text)).toBe(false)
    expect(await handshake(evil, server, club, 'join')).toMatchObject({ status: 200 })
    await bob.call('POST', `/rooms/${at(roomId)}/join`)
    await bob.ok('POST', `/rooms/${at(club)}/join`)
    await bob.ok('POST', `/rooms/${at(roomId)}/join`)
    const powerless = await send(evil, server, roomId, 'join', await forged(bob.id))
    expect(powerless).toMatchObject({ status: 403 })
    expect(ours(powerless.text)).toBe(false)
    // she has the power, and is not in the room
    expect(await send(evil, server, roomId, 'join', await forged(carol.id))).toMatchObject({ status: 403 })
    // the rules of the room know nothing of accounts
    await lock(server, alice, true)
    expect(await send(evil, server, roomId, 'join', await forged(alice.id))).toMatchObject({ status: 403 })
    await lock(server, alice, false)
    // not even what is refused in the end has been signed
    const stored = await server.composed.deps.database.read((conn) => listForged(conn))
    expect(stored.filter(({ json }) => ours(json))).toEqual([])
    const joined = await handshake(evil, server, roomId, 'join')
    expect(joined).toMatchObject({
      status: 200,
      body: { event: { signatures: { 'a.test': expect.anything(), 'evil.test': expect.anything() } } },
    })
  })
})

describe('invites of a hostile server', () => {
  async function invite(
    evil: EvilServer,
    server: WorldServer,
    target: string,
    twist: Twist = (event) => event,
    roomVersion = '11',
    state: readonly JsonObject[] = [],
  ) {
    const pdu = evil.event(
      v11,
      twist({
        type: 'm.room.member',
        room_id: '!room:evil.test',
        sender: '@mallory:evil.test',
        state_key: target,
        content: { membership: 'invite' },
        prev_events: [`$${'p'.repeat(43)}`],
        auth_events: [`$${'c'.repeat(43)}`],
        depth: 5,
        origin_server_ts: Date.now(),
      }),
    )
    const body = { room_version: roomVersion, event: pdu, invite_room_state: state }
    const answer = await server.fetch(evil.request(a, 'PUT', path('v2', 'invite', '!room:evil.test', idOf(pdu)), body))
    const text = await answer.text()
    return { status: answer.status, body: JSON.parse(text) as { errcode?: string; event?: JsonObject }, text, pdu }
  }

  test('what is no invite of a user of ours by a user of theirs is not signed', async () => {
    await using world = await RoomsWorld.start('a.test')
    const server = world.server('a.test')
    const alice = await server.user('alice')
    const evil = world.evil('evil.test')
    const refused: readonly (readonly [Twist, string])[] = [
      [(event) => ({ ...event, type: 'm.room.power_levels' }), 'M_INVALID_PARAM'],
      [content({ membership: 'join' }), 'M_INVALID_PARAM'],
      [(event) => ({ ...event, sender: '@root:a.test' }), 'M_INVALID_PARAM'],
      [(event) => ({ ...event, state_key: '@mallory:evil.test' }), 'M_INVALID_PARAM'],
      [(event) => ({ ...event, room_id: '!other:evil.test' }), 'M_INVALID_PARAM'],
      [(event) => ({ ...event, state_key: '@nobody:a.test' }), 'M_NOT_FOUND'],
    ]
    for (const [twist, errcode] of refused) {
      const answer = await invite(evil, server, alice.id, twist)
      expect(answer.body.errcode).toBe(errcode)
      expect(answer.text).not.toContain('"a.test":{')
    }
    expect((await invite(evil, server, alice.id, undefined, '99')).body.errcode).toBe('M_INCOMPATIBLE_ROOM_VERSION')
    const good = await invite(evil, server, alice.id, undefined, '11', [
      {
        type: 'm.room.name',
        state_key: '',
        sender: '@mallory:evil.test',
        content: { name: 'Free money' },
        'org.evil': 1,
      },
      { type: 'm.room.message', sender: '@mallory:evil.test', content: {} },
      { type: 'org.evil', state_key: '', sender: '@mallory:evil.test', content: {} },
    ])
    expect(good.status).toBe(200)
    const { signatures, ...signed } = good.body.event as JsonObject & { signatures: JsonObject }
    const { signatures: _signatures, ...sent } = good.pdu
    expect(signed).toEqual(sent)
    expect(Object.keys(signatures).sort()).toEqual(['a.test', 'evil.test'])
    const row = await server.membership('!room:evil.test', alice.id)
    const stripped = JSON.parse(row?.stripped_state ?? '[]') as JsonObject[]
    expect(stripped.map(({ type }) => type)).toEqual(['m.room.name', 'm.room.member'])
    expect(Object.keys(stripped[0] ?? {}).sort()).toEqual(['content', 'sender', 'state_key', 'type'])
    // nobody there takes a leave, and the invite goes all the same
    await alice.ok('POST', `/rooms/${at('!room:evil.test')}/leave`)
    expect((await server.membership('!room:evil.test', alice.id))?.membership).toBe('leave')
  })

  test('an answer to our invite that is another event, or lacks their signature, is not taken', async () => {
    await using world = await RoomsWorld.start('a.test')
    const server = world.server('a.test')
    const alice = await server.user('alice')
    const evil = world.evil('evil.test')
    const { room_id: roomId } = await alice.ok('POST', '/createRoom', { room_version: '11' })
    let answer: (event: JsonObject) => JsonObject = (event) => event
    evil.handlers.push(async (request) => {
      if (!request.url.includes('/invite/')) return undefined
      const { event } = (await request.json()) as { event: JsonObject }
      return Response.json({ event: answer(event) })
    })
    const call = () => alice.call('POST', `/rooms/${at(roomId)}/invite`, { user_id: '@mallory:evil.test' })
    const extremities = async () => (await server.room(roomId)).extremities.map(({ eventId }) => eventId)
    const before = await extremities()
    const refused: readonly ((event: JsonObject) => JsonObject)[] = [
      (event) => event,
      (event) => ({ ...event, content: { membership: 'join' } }),
      (event) => evil.event(v11, { ...event, depth: 1000, signatures: {} }),
      (event) => ({
        ...event,
        signatures: { ...(event.signatures as JsonObject), 'evil.test': { [evil.key.keyId]: 'AAAA' } },
      }),
      () => ({}),
    ]
    for (const twist of refused) {
      answer = twist
      expect(await call()).toMatchObject({ status: 502, body: { errcode: 'M_UNKNOWN' } })
      expect(await extremities()).toEqual(before)
    }
    answer = (event) => evil.event(v11, event)
    expect((await call()).status).toBe(200)
    expect(await server.state(roomId, 'm.room.member', '@mallory:evil.test')).toMatchObject({ membership: 'invite' })
  })
})
