import { expect, test } from 'vitest'
import { TypingUsers } from '../../src/delivery/typing-users.ts'
import { endpoints } from '../../src/http/federation/send.ts'
import type { RoomEvent } from '../../src/protocol/event.ts'
import type { UserId } from '../../src/protocol/ids.ts'
import type { Json, JsonObject } from '../../src/protocol/json-types.ts'
import type { Room } from '../../src/rooms/room.ts'
import { findReceipt } from '../../src/store/receipts.ts'
import { findUserNid } from '../../src/store/users.ts'
import { remoteEvent } from '../support/engine.ts'
import { Federated } from '../support/federated.ts'

const bob: UserId = '@bob:in.test'
const carol: UserId = '@carol:other.test'

async function world() {
  const fed = await Federated.make(endpoints)
  const typing = new TypingUsers({ clock: fed.deps.clock, changes: fed.deps.changes })
  Object.assign(fed.deps, { typing })
  const alice = await fed.engine.user('alice')
  const room = await fed.engine.room(alice)
  await fed.join(room, bob)
  let n = 0
  const send = (pdus: readonly Json[], edus?: readonly Json[], txnId = `t${++n}`) =>
    fed.ask('in.test', 'PUT', `/_matrix/federation/v1/send/${txnId}`, {
      origin: 'in.test',
      origin_server_ts: 1,
      pdus,
      ...(edus === undefined ? {} : { edus }),
    })
  return { fed, typing, alice, room, send, [Symbol.asyncDispose]: () => fed[Symbol.asyncDispose]() }
}

type World = Awaited<ReturnType<typeof world>>

/** Messages of bob's, each on top of the one before. */
async function messages({ fed, room }: World, count: number): Promise<RoomEvent[]> {
  const current = await fed.engine.current(room.id)
  const keys = [
    { type: 'm.room.create', stateKey: '' },
    { type: 'm.room.power_levels', stateKey: '' },
    { type: 'm.room.member', stateKey: bob },
  ]
  const auth = (
    await fed.engine.database.read((conn) => fed.engine.deps.roomCache.stateEvents(conn, current, keys))
  ).filter((each) => each !== undefined)
  const made: RoomEvent[] = []
  let prev = await fed.newest(room)
  for (let i = 0; i < count; i++) {
    const content = { msgtype: 'm.text', body: `message ${i}` }
    prev = remoteEvent(room.version, {
      roomId: room.id,
      sender: bob,
      type: 'm.room.message',
      content,
      prev: [prev],
      auth,
    })
    made.push(prev)
  }
  return made
}

const isStored = async (fed: Federated, room: Room, event: RoomEvent) =>
  (await fed.load(room, event.eventId)) !== undefined

test('PDUs are stored and answered by their ids', async () => {
  await using w = await world()
  const said = await messages(w, 3)
  const answer = await w.send(said.map(({ pdu }) => pdu))
  expect(answer).toEqual({ status: 200, json: { pdus: Object.fromEntries(said.map(({ eventId }) => [eventId, {}])) } })
  for (const event of said) expect(await isStored(w.fed, w.room, event)).toBe(true)
})

test('a repeated transaction is answered as before and applied once', async () => {
  await using w = await world()
  const [first, second] = (await messages(w, 2)) as [RoomEvent, RoomEvent]
  const answer = await w.send([first.pdu], [], 'same')
  expect(await w.send([second.pdu], [], 'same')).toEqual(answer)
  expect(await isStored(w.fed, w.room, second)).toBe(false)
  const many = await Promise.all(Array.from({ length: 20 }, () => w.send([second.pdu], [], 'parallel')))
  expect(new Set(many.map((each) => JSON.stringify(each))).size).toBe(1)
  expect(await isStored(w.fed, w.room, second)).toBe(true)
})

const bad: [string, (event: RoomEvent, room: Room) => Json][] = [
  ['null', () => null],
  ['a list', () => []],
  ['an empty object', () => ({})],
  ['without signatures', ({ pdu }) => ({ ...pdu, signatures: {} })],
  ['changed after it was signed', ({ pdu }) => ({ ...pdu, depth: 99 })],
  ['of an unknown room', ({ pdu }) => ({ ...pdu, room_id: '!nowhere:in.test' })],
  ['too large', ({ pdu }) => ({ ...pdu, content: { body: 'x'.repeat(70_000) } })],
  ['with a room id that is none', ({ pdu }) => ({ ...pdu, room_id: 7 })],
]

test.each(bad)('a PDU that is %s keeps no neighbour from being stored, wherever it stands', async (_what, make) => {
  await using w = await world()
  const [a, b, spoilt] = (await messages(w, 3)) as [RoomEvent, RoomEvent, RoomEvent]
  const wrong = make(spoilt, w.room)
  const answer = await w.send([wrong, a.pdu, wrong, b.pdu, wrong])
  expect(answer).toMatchObject({ status: 200, json: { pdus: { [a.eventId]: {}, [b.eventId]: {} } } })
  for (const good of [a, b]) expect(await isStored(w.fed, w.room, good)).toBe(true)
  expect(await isStored(w.fed, w.room, spoilt)).toBe(false)
})

test('a PDU with more in it than was hashed is taken as its redacted copy', async () => {
  await using w = await world()
  const [event] = (await messages(w, 1)) as [RoomEvent]
  const text = JSON.stringify(event.pdu).replace('{', '{"__proto__":{"type":"m.room.create"},')
  expect((await w.send([JSON.parse(text) as Json])).json.pdus).toEqual({ [event.eventId]: {} })
  expect((await w.fed.load(w.room, event.eventId)).content).toEqual({})
})

test('what is refused is told under the id by which its sender knows it', async () => {
  await using w = await world()
  const [event] = (await messages(w, 1)) as [RoomEvent]
  const large = { ...event.pdu, content: { body: 'x'.repeat(70_000) } }
  // the id covers the content hash, not the content
  expect((await w.send([large])).json.pdus).toEqual({ [event.eventId]: { error: expect.stringContaining('65536') } })
  expect((await w.send([{ ...event.pdu, signatures: {} }])).json.pdus).toEqual({
    [event.eventId]: { error: expect.any(String) },
  })
})

test('too many PDUs or EDUs, and bodies that are no transaction: refused as a whole', async () => {
  await using w = await world()
  expect((await w.send(Array.from({ length: 51 }, () => ({})))).status).toBe(400)
  expect((await w.send(Array.from({ length: 50 }, () => ({})))).status).toBe(200)
  expect(
    (
      await w.send(
        [],
        Array.from({ length: 101 }, () => ({})),
      )
    ).status,
  ).toBe(400)
  const put = (body: Json) => w.fed.ask('in.test', 'PUT', '/_matrix/federation/v1/send/x', body)
  expect((await put({})).status).toBe(400)
  expect((await put({ pdus: {} })).status).toBe(400)
  expect((await put({ pdus: [], edus: 'x' })).status).toBe(400)
})

test('a transaction that was signed otherwise than it is: 401, and nothing is stored', async () => {
  await using w = await world()
  const [event] = (await messages(w, 1)) as [RoomEvent]
  const body = { origin: 'in.test', origin_server_ts: 1, pdus: [event.pdu] }
  const answer = await w.fed.ask('in.test', 'PUT', '/_matrix/federation/v1/send/t', body, {
    signedBody: { ...body, pdus: [] },
  })
  expect(answer).toMatchObject({ status: 401, json: { errcode: 'M_UNAUTHORIZED' } })
  expect(await isStored(w.fed, w.room, event)).toBe(false)
})

test('a server that the room’s ACL denies sends nothing into it', async () => {
  await using w = await world()
  await w.fed.setState(w.room.id, w.alice, 'm.room.server_acl', {
    allow: ['*'],
    deny: ['IN.test'],
    allow_ip_literals: true,
  })
  const [event] = (await messages(w, 1)) as [RoomEvent]
  const answer = await w.send(
    [event.pdu],
    [{ edu_type: 'm.typing', content: { room_id: w.room.id, user_id: bob, typing: true } }],
  )
  expect((answer.json.pdus as JsonObject)[event.eventId]).toMatchObject({ error: expect.stringContaining('ACL') })
  expect(await isStored(w.fed, w.room, event)).toBe(false)
  expect(w.typing.list(w.room.nid)).toEqual([])
})

test('typing: of the origin’s own users who are in the room, and of nobody else', async () => {
  await using w = await world()
  await w.fed.join(w.room, carol)
  const typing = (user_id: string, room_id: string = w.room.id): JsonObject => ({
    edu_type: 'm.typing',
    content: { room_id, user_id, typing: true },
  })
  const answer = await w.send(
    [],
    [
      typing(carol),
      typing(w.alice),
      typing('@stranger:in.test'),
      typing(bob, '!nowhere:x.test'),
      { edu_type: 'org.unknown', content: {} },
      typing(bob),
      7,
    ],
  )
  expect(answer).toEqual({ status: 200, json: { pdus: {} } })
  expect(w.typing.list(w.room.nid)).toEqual([bob])
  await w.send([], [{ edu_type: 'm.typing', content: { room_id: w.room.id, user_id: bob, typing: false } }])
  expect(w.typing.list(w.room.nid)).toEqual([])
  w.typing.stop()
})

test('receipts: of the origin’s own users who are in the room, and of nobody else', async () => {
  await using w = await world()
  await w.fed.join(w.room, carol)
  const said = await w.fed.say(w.room.id, w.alice, 'read me')
  const receipt = { event_ids: [said.eventId], data: { ts: 5 } }
  const content = {
    [w.room.id]: { 'm.read': { [carol]: receipt, [w.alice]: receipt, '@stranger:in.test': receipt, [bob]: receipt } },
  }
  await w.send([], [{ edu_type: 'm.receipt', content }])
  const read = (userId: UserId) =>
    w.fed.engine.database.read(async (conn) => {
      const userNid = await findUserNid(conn, userId)
      return userNid === undefined
        ? undefined
        : findReceipt(conn, { roomNid: w.room.nid, userNid, type: 'm.read', threadId: '' })
    })
  expect(await read(bob)).toBeDefined()
  for (const user of [carol, w.alice, '@stranger:in.test' as UserId]) expect(await read(user)).toBeUndefined()
})
