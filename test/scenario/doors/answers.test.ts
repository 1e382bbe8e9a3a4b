import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { JsonObject } from '../../../src/protocol/json-types.ts'
import { cosignEvent, signEvent } from '../../../src/protocol/sign.ts'
import { referenceTo, testKey, version } from '../../support/engine.ts'
import { idOf } from '../../support/evil/pdu.ts'
import { EvilRoom } from '../../support/evil/room.ts'
import { answers, raw, Stage, them, userOf } from '../../support/evil/stage.ts'
import { roomOf } from '../../support/reply.ts'

let stage: Stage
beforeAll(async () => {
  stage = await Stage.start()
})
afterAll(() => stage[Symbol.asyncDispose]())

const at = encodeURIComponent
const v11 = version('11')
const deepJson = `${'['.repeat(50_000)}${']'.repeat(50_000)}`
const refused = { status: 502, body: { errcode: 'M_UNKNOWN' } }
type Twist = (event: JsonObject) => JsonObject

async function invited(state: string): Promise<EvilRoom> {
  const room = new EvilRoom(stage.evil)
  const content = { membership: 'invite' }
  const event = room.build({ type: 'm.room.member', stateKey: stage.alice.id, content })
  const body = `{"room_version":"11","event":${event.text},"invite_room_state":[${state}]}`
  const target = `/_matrix/federation/v2/invite/${at(room.id)}/${at(event.eventId)}`
  expect((await stage.request('PUT', target, body)).status).toBe(200)
  return room
}

describe('a template for a leave', () => {
  const content =
    (more: JsonObject): Twist =>
    (event) => ({ ...event, content: { ...(event.content as JsonObject), ...more } })

  test.each<[string, Twist | string]>([
    ['of another type', (event) => ({ ...event, type: 'm.room.power_levels' })],
    ['of another sender', (event) => ({ ...event, sender: '@admin:a.test' })],
    ['about another user', (event) => ({ ...event, state_key: '@admin:a.test' })],
    ['of another room', (event) => ({ ...event, room_id: '!other:evil.test' })],
    ['of another membership', content({ membership: 'join' })],
    ['with an authoriser', content({ join_authorised_via_users_server: '@mallory:evil.test' })],
    ['with extra keys', (event) => ({ ...event, 'org.evil': 1 })],
    ['with extra keys in its content', content({ 'org.evil': 1 })],
    [
      'with a thousand previous events',
      (event) => ({ ...event, prev_events: Array.from({ length: 1000 }, (_, i) => `$${String(i).padStart(43, 'a')}`) }),
    ],
    ['without previous events', (event) => ({ ...event, prev_events: [] })],
    ['without auth events', (event) => ({ ...event, auth_events: [] })],
    ['with a depth that is none', (event) => ({ ...event, depth: -1 })],
    ['of an unknown room version', '99'],
  ])('%s is not signed, and the invite is declined all the same', async (_, twist) => {
    const room = await invited('')
    const made = room.template(stage.alice.id, 'leave')
    const event = typeof twist === 'string' ? made.event : twist(made.event as JsonObject)
    const told = { room_version: typeof twist === 'string' ? twist : '11', event } as JsonObject
    const given = answers({ make_leave: () => JSON.stringify(told) })
    stage.evil.received.length = 0
    await stage.while(given, () => stage.alice.ok('POST', `/rooms/${at(room.id)}/leave`))
    const targets = stage.evil.received.map(({ target }) => target)
    expect(targets.some((target) => target.includes('/make_leave/'))).toBe(true)
    expect(targets.filter((target) => target.includes('/send_leave/'))).toEqual([])
    expect((await stage.server.membership(room.id, stage.alice.id))?.membership).toBe('leave')
  })

  test('as it should be is', async () => {
    const room = await invited('')
    const given = answers({ make_leave: () => JSON.stringify(room.template(stage.alice.id, 'leave')) })
    await stage.while(given, () => stage.alice.ok('POST', `/rooms/${at(room.id)}/leave`))
    expect(stage.evil.lastBody('/_matrix/federation/v2/send_leave')).toMatchObject({ sender: stage.alice.id })
  })
})

describe('the answer to an invite', () => {
  test('of a server that does not know the version of the room tells the inviter so', async () => {
    const { room_id: roomId } = await stage.alice.ok('POST', '/createRoom', {})
    const told = { errcode: 'M_INCOMPATIBLE_ROOM_VERSION', error: 'no', room_version: '12' }
    const { status, body } = await stage.while(
      async (request) => (request.url.includes('/invite/') ? Response.json(told, { status: 400 }) : undefined),
      () => stage.alice.call('POST', `/rooms/${at(roomId)}/invite`, { user_id: '@mallory:evil.test' }),
    )
    expect([status, body.errcode]).toEqual([400, 'M_UNSUPPORTED_ROOM_VERSION'])
  })
})

describe('the answer to send_join', () => {
  test.each(['{}', '[]', '[200,{}]', '{"state":{},"auth_chain":[]}', '{"state":[]}', '<html>', '', deepJson, 'null'])(
    '%.30s makes no member',
    async (text) => {
      const room = new EvilRoom(stage.evil)
      expect(await stage.join(room, { sendJoin: () => text })).toMatchObject(refused)
      expect((await stage.server.membership(room.id, stage.alice.id))?.membership).not.toBe('join')
    },
  )

  test('in a restricted room has our own join with their signature, and nothing else', async () => {
    const room = new EvilRoom(stage.evil)
    const content = { join_rule: 'restricted', allow: [{ type: 'm.room_membership', room_id: '!club:evil.test' }] }
    room.add({ type: 'm.room.join_rules', stateKey: '', content })
    const made = room.template(stage.alice.id, 'join')
    const template = made.event as JsonObject
    const auth = [...(template.auth_events as string[]), room.stateEvent('m.room.member', room.creator).eventId]
    const authorised = { membership: 'join', join_authorised_via_users_server: room.creator }
    const offer = { ...made, event: { ...template, content: authorised, auth_events: [...new Set(auth)] } }
    const key = testKey(them)
    const honest: Twist = (event) => cosignEvent(v11, event, them, key)
    const join = (returned: (event: JsonObject) => JsonObject | undefined) =>
      stage.while(
        async (request) => {
          if (request.url.includes('/make_join/')) return Response.json(offer)
          if (!request.url.includes('/send_join/')) return undefined
          const event = returned((await request.json()) as JsonObject)
          return Response.json({ ...room.joinAnswer(), ...(event === undefined ? {} : { event }) })
        },
        () => stage.alice.call('POST', `/join/${at(room.id)}?server_name=${them}`),
      )
    const bad: readonly ((event: JsonObject) => JsonObject | undefined)[] = [
      () => undefined,
      (event) => event,
      () => room.newest.pdu,
      (event) => honest({ ...event, content: { ...authorised, displayname: 'theirs' } }),
      (event) => signEvent(v11, { ...event, depth: 99 }, them, key),
      (event) => cosignEvent(v11, event, them, testKey('third.test')),
      (event) => cosignEvent(v11, event, 'third.test', testKey('third.test')),
      (event) => ({ ...honest(event), 'org.evil': 1 }),
      (event) => ({ ...honest(event), hashes: { sha256: 'A'.repeat(43) } }),
    ]
    for (const [i, returned] of bad.entries()) {
      expect([i, await join(returned)]).toMatchObject([i, refused])
      expect((await stage.server.membership(room.id, stage.alice.id))?.membership).not.toBe('join')
    }
    expect((await join(honest)).status).toBe(200)
  })
})

describe('JSON of 50,000 levels', () => {
  const deepName = `{"type":"m.room.name","state_key":"","sender":"@mallory:evil.test","content":{"name":${deepJson}}}`
  const topic = '{"type":"m.room.topic","state_key":"","sender":"@mallory:evil.test","content":{"topic":"shallow"}}'
  const types = async (roomId: string, membership: 'invite' | 'knock') => {
    const sync = await stage.alice.ok('GET', '/sync')
    return roomOf(sync, roomId, membership)[`${membership}_state`].events.map(({ type }) => type)
  }

  test('in the stripped state of an invite is left out, and she can sync', async () => {
    const room = await invited(`${deepName},${topic}`)
    expect(await types(room.id, 'invite')).toEqual(['m.room.topic', 'm.room.member'])
  })

  test('in the stripped state of a knock is left out, and she can sync', async () => {
    const room = new EvilRoom(stage.evil, { joinRule: 'knock' })
    const given = answers({
      make_knock: () => JSON.stringify(room.template(stage.alice.id, 'knock')),
      send_knock: () => `{"knock_room_state":[${deepName},${topic}]}`,
    })
    await stage.while(given, () => stage.alice.ok('POST', `/knock/${at(room.id)}?server_name=${them}`))
    expect(await types(room.id, 'knock')).toEqual(['m.room.topic', 'm.room.member'])
  })

  test('in a list of public rooms: 502', async () => {
    const ask = (chunk: string) =>
      stage.while(
        ({ url }) => (url.endsWith('/publicRooms') ? raw(`{"chunk":${chunk}}`) : undefined),
        () => stage.alice.call('POST', `/publicRooms?server=${them}`, {}),
      )
    expect(await ask(`[{"room_id":"!x:evil.test","topic":${deepJson}}]`)).toMatchObject(refused)
    expect(await ask(`[${deepJson}]`)).toMatchObject(refused)
    expect((await ask('[{"room_id":"!x:evil.test"}]')).status).toBe(200)
  })
})

describe('an origin that cannot be asked for a while', () => {
  test('costs only time: the next event that leads back brings what was refused', async () => {
    const room = await stage.room()
    const say = (body: string) => room.add({ type: 'm.room.message', content: { body } })
    const [lost, refusedOne] = [say('lost on its way'), say('came while nobody answered')]
    stage.world.network.setFault('a.test', them, { cut: 'refuse' })
    const first = await stage.send([refusedOne.text])
    expect(first.json.pdus).toMatchObject({ [refusedOne.eventId]: { error: expect.any(String) } })
    stage.world.network.heal()
    const next = say('later')
    const given = answers({ get_missing_events: () => `{"events":[${lost.text},${refusedOne.text}]}` })
    const second = await stage.while(given, () => stage.send([next.text]))
    expect(second.json.pdus).toEqual({ [next.eventId]: {} })
    const rows = await stage.storedByIds([lost.eventId, refusedOne.eventId, next.eventId])
    expect([...rows.values()].map(({ ord }) => ord !== null)).toEqual([true, true, true])
    expect(await stage.extremities(room)).toEqual([next.eventId])
  })

  test('loses nothing either where ten are not enough: the rest is history that can be fetched', async () => {
    const room = await stage.room()
    const said = Array.from({ length: 25 }, (_, i) => room.add({ type: 'm.room.message', content: { body: `m${i}` } }))
    stage.world.network.setFault('a.test', them, { cut: 'refuse' })
    for (const event of said.slice(1, 24)) await stage.send([event.text])
    stage.world.network.heal()
    const texts = (from: number, to: number) => said.slice(from, to).map(({ text }) => text)
    const state = [...room.state.values()].map(({ text }) => text)
    const given = answers({
      get_missing_events: () => `{"events":[${texts(14, 24).join()}]}`,
      state: () => `{"pdus":[${state.join()}],"auth_chain":[]}`,
      state_ids: () => JSON.stringify({ pdu_ids: room.stateIds(), auth_chain_ids: [] }),
      backfill: () => `{"origin":"${them}","origin_server_ts":1,"pdus":[${texts(0, 14).toReversed().join()}]}`,
    })
    await stage.while(given, async () => {
      expect((await stage.send(texts(24, 25))).json.pdus).toEqual({ [said[24]?.eventId as string]: {} })
      const page = await stage.alice.ok('GET', `/rooms/${at(room.id)}/messages?dir=b&limit=100`)
      const bodies = page.chunk.flatMap(({ content }: { content: JsonObject }) => content.body ?? [])
      expect(bodies).toEqual(said.map((_, i) => `m${i}`).toReversed())
    })
  })
})

test('ids and references of the support are those of the specification', () => {
  const room = new EvilRoom(stage.evil, { version: '12' })
  expect(room.id).toBe(`!${room.create.eventId.slice(1)}`)
  expect(referenceTo(room.version, room.newest)).toBe(idOf(room.version, room.newest.pdu))
  expect(userOf('x')).toBe('@x:evil.test')
})
