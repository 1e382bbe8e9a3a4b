import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { RoomEvent } from '../../../src/protocol/event.ts'
import type { EventId, UserId } from '../../../src/protocol/ids.ts'
import type { JsonObject } from '../../../src/protocol/json-types.ts'
import { readStateForServer } from '../../../src/rooms/read-for-server.ts'
import { referenceTo } from '../../support/engine.ts'
import { idOf, seal } from '../../support/evil/pdu.ts'
import { EvilRoom, type Draft } from '../../support/evil/room.ts'
import { answers, Stage, userOf } from '../../support/evil/stage.ts'

let stage: Stage
beforeAll(async () => {
  stage = await Stage.start()
})
afterAll(() => stage[Symbol.asyncDispose]())

const at = encodeURIComponent
const say = (body: string, more: Partial<Draft> = {}): Draft => ({ type: 'm.room.message', content: { body }, ...more })
const memberOf = (user: UserId, membership: string, more: Partial<Draft> = {}): Draft => ({
  type: 'm.room.member',
  sender: user,
  stateKey: user,
  content: { membership },
  ...more,
})

async function verdictOf(eventId: EventId): Promise<string> {
  const row = (await stage.storedByIds([eventId])).get(eventId)
  if (row === undefined) return 'absent'
  if (row.rejected !== null) return 'rejected'
  return row.soft_failed ? 'soft-failed' : row.outlier ? 'outlier' : 'accepted'
}

/** Bodies and ids of what alice sees of the room, by both ways of reading. */
async function seenBy({ id }: EvilRoom): Promise<string> {
  const messages = await stage.alice.ok('GET', `/rooms/${at(id)}/messages?dir=b&limit=100`)
  const sync = await stage.alice.ok('GET', `/sync?filter=${at('{"room":{"timeline":{"limit":100}}}')}`)
  return JSON.stringify([messages, sync.rooms.join[id]])
}

/** Sends an event across a gap, so that the state before it is asked for, and this is answered. */
async function sendAcrossGap(room: EvilRoom, state: readonly RoomEvent[], chain: readonly RoomEvent[] = []) {
  const lost = room.build(say('lost'))
  const tip = room.build(say('tip', { prev: [lost] }))
  const texts = (events: readonly RoomEvent[]) => events.map(({ text }) => text).join()
  const given = answers({
    get_missing_events: () => '{"events":[]}',
    state: () => `{"pdus":[${texts(state)}],"auth_chain":[${texts(chain)}]}`,
  })
  await stage.while(given, () => stage.send([tip.text]))
  return tip
}

const weak = userOf('weak')

async function withWeakUser(version = '11') {
  const room = await stage.room({ version })
  const join = room.add(memberOf(weak, 'join'))
  await stage.send([join.text])
  expect(await verdictOf(join.eventId)).toBe('accepted')
  return { room, join }
}

describe('what was rejected', () => {
  test('never comes back by a state, an auth chain or another event', async () => {
    const { room } = await withWeakUser()
    const topic = room.build({ type: 'm.room.topic', sender: weak, stateKey: '', content: { topic: 'mine' } })
    await stage.send([topic.text])
    expect(await verdictOf(topic.eventId)).toBe('rejected')
    const honest = [...room.state.values()]
    for (const tip of [
      await sendAcrossGap(room, [...honest, topic]),
      await sendAcrossGap(room, honest, [...honest, topic]),
    ]) {
      expect(await verdictOf(tip.eventId)).toBe('accepted')
      expect(await verdictOf(topic.eventId)).toBe('rejected')
      expect(await stage.server.state(room.id, 'm.room.topic')).toBeUndefined()
    }
    expect(await seenBy(room)).not.toContain(topic.eventId)
  })

  test('rejects what names it for its authorization', async () => {
    const { room, join } = await withWeakUser()
    // nobody may make themselves somebody with power
    const levels = room.build({
      type: 'm.room.power_levels',
      sender: weak,
      stateKey: '',
      content: { users: { [weak]: 100 } },
    })
    const auth = [room.create, levels, join]
    const topic = room.build({ type: 'm.room.topic', sender: weak, stateKey: '', content: { topic: 'mine' }, auth })
    await stage.send([levels.text, topic.text])
    expect(await verdictOf(levels.eventId)).toBe('rejected')
    expect(await verdictOf(topic.eventId)).toBe('rejected')
  })
})

test('an outlier is no previous event: it has no state', async () => {
  const room = await stage.room()
  const zed = userOf('outlier')
  const join = room.build(memberOf(zed, 'join'))
  await sendAcrossGap(room, [...room.state.values()], [join])
  expect(await verdictOf(join.eventId)).toBe('outlier')
  const auth = [room.create, room.stateEvent('m.room.power_levels'), join]
  const after = room.build(say('after an outlier', { sender: zed, prev: [join], auth }))
  await stage.send([after.text])
  expect(await verdictOf(after.eventId)).toBe('absent')
  expect(await verdictOf(join.eventId)).toBe('outlier')
  await stage.send([join.text, after.text])
  expect([await verdictOf(join.eventId), await verdictOf(after.eventId)]).toEqual(['accepted', 'accepted'])
})

test('what is soft-failed is in no timeline and no extremity, and what follows it lives', async () => {
  const { room, join } = await withWeakUser()
  const before = room.build(say('hidden words', { sender: weak, prev: [join] }))
  const ban = room.add({ type: 'm.room.member', stateKey: weak, content: { membership: 'ban' } })
  await stage.send([ban.text, before.text])
  expect(await verdictOf(before.eventId)).toBe('soft-failed')
  expect(await stage.extremities(room)).toEqual([ban.eventId])
  const after = room.build(say('visible words', { prev: [before, ban] }))
  await stage.send([after.text])
  expect(await verdictOf(after.eventId)).toBe('accepted')
  expect(await stage.extremities(room)).toEqual([after.eventId])
  const seen = await seenBy(room)
  expect(seen).toContain('visible words')
  expect(seen).not.toContain('hidden words')
  expect(await verdictOf(before.eventId)).toBe('soft-failed')
})

test('a handshake that was soft-failed is refused however often it is tried', async () => {
  const room = await stage.room()
  const zed = userOf('banned')
  const early = room.newest
  const join = room.build(memberOf(zed, 'join'))
  const ban = room.add({ type: 'm.room.member', stateKey: zed, content: { membership: 'ban' }, prev: [early] })
  await stage.send([ban.text])
  const target = `/_matrix/federation/v2/send_join/${at(room.id)}/${at(join.eventId)}`
  for (let i = 0; i < 3; i++) {
    const answer = await stage.request('PUT', target, join.text)
    expect([answer.status, answer.json.errcode]).toEqual([403, 'M_FORBIDDEN'])
    expect(answer.text).not.toContain('auth_chain')
  }
  expect(await verdictOf(join.eventId)).toBe('soft-failed')
})

describe('room version 1, whose event ids are chosen', () => {
  test('another event under the id of an outlier is refused', async () => {
    const room = await stage.room({ version: '1' })
    const zed = userOf('double')
    const join = room.build(memberOf(zed, 'join'))
    await sendAcrossGap(room, [...room.state.values()], [join])
    const other = room.build(memberOf(zed, 'join', { more: { event_id: join.eventId, depth: 77 } }))
    expect(other.eventId).toBe(join.eventId)
    const answer = await stage.send([other.text])
    expect(answer.json.pdus).toMatchObject({ [join.eventId]: { error: expect.stringContaining('another event') } })
    expect((await stage.stored(join.eventId))[0]?.json).toBe(join.text)
    await stage.send([join.text])
    expect(await verdictOf(join.eventId)).toBe('accepted')
  })

  test('another event under the id of a stored one lets nobody in', async () => {
    const room = await stage.room({ version: '1' })
    const said = room.build(say('mine'))
    await stage.send([said.text])
    const join = room.build(memberOf(userOf('thief'), 'join', { more: { event_id: said.eventId } }))
    expect((await stage.send([join.text])).json.pdus).toMatchObject({ [said.eventId]: { error: expect.any(String) } })
    const target = `/_matrix/federation/v2/send_join/${at(room.id)}/${at(said.eventId)}`
    const answer = await stage.request('PUT', target, join.text)
    expect(answer.status).toBe(403)
    expect(answer.text).not.toContain('auth_chain')
    expect((await stage.stored(said.eventId))[0]?.json).toBe(said.text)
  })

  test('two redactions of each other, and auth events that name each other, do no harm', async () => {
    const room = await stage.room({ version: '1' })
    const ids = ['$one:evil.test', '$two:evil.test'] as const
    const redact = (own: EventId, redacts: EventId) =>
      room.build({ type: 'm.room.redaction', content: { reason: own }, more: { event_id: own, redacts } })
    const pair = [redact(ids[0], ids[1]), redact(ids[1], ids[0])]
    const sent = await stage.send(pair.map(({ text }) => text))
    expect(sent.json.pdus).toEqual({ [ids[0]]: {}, [ids[1]]: {} })
    const [first, second] = ['$three:evil.test', '$four:evil.test'] as [EventId, EventId]
    const named = (own: EventId, other: EventId, user: UserId) => {
      const fields = room.fields(memberOf(user, 'join', { more: { event_id: own } }))
      const auth = [...(fields['auth_events'] as JsonObject[]), [other, { sha256: 'A'.repeat(43) }]]
      return room.read(seal(room.version, { ...fields, auth_events: auth }))
    }
    const cycle = [named(first, second, userOf('c1')), named(second, first, userOf('c2'))]
    const tip = await sendAcrossGap(room, [...room.state.values(), ...cycle], cycle)
    expect(await verdictOf(tip.eventId)).toBe('accepted')
    expect([await verdictOf(first), await verdictOf(second)]).toEqual(['absent', 'absent'])
    const live = await stage.send(cycle.map(({ text }) => text))
    expect(live.json.pdus).toMatchObject({
      [first]: { error: expect.any(String) },
      [second]: { error: expect.any(String) },
    })
  })
})

describe('the state and auth chain of our own join', () => {
  const parts = (state: readonly RoomEvent[], chain: readonly RoomEvent[]) => () =>
    `{"state":[${state.map(({ text }) => text).join()}],"auth_chain":[${chain.map(({ text }) => text).join()}]}`

  function crowded() {
    const room = new EvilRoom(stage.evil)
    for (let i = 0; i < 5; i++) room.add(memberOf(userOf(`crowd${i}`), 'join'))
    room.add({ type: 'm.room.topic', stateKey: '', content: { topic: 'crowd' } })
    return { room, state: [...room.state.values()] }
  }

  test('in any order, each several times: all of it is taken', async () => {
    const { room, state } = crowded()
    const backwards = state.toReversed()
    const sendJoin = parts([...backwards, ...state], [...backwards, ...backwards])
    expect((await stage.join(room, { sendJoin })).status).toBe(200)
    const rows = await stage.storedByIds(room.stateIds())
    expect([...rows.values()].filter(({ rejected }) => rejected === null)).toHaveLength(room.state.size)
  })

  test('truncated: what rests on the missing part is left out', async () => {
    const { room, state } = crowded()
    const [, creatorJoin] = state as [RoomEvent, RoomEvent]
    const rest = state.filter((event) => event !== creatorJoin)
    const answer = await stage.join(room, { sendJoin: parts(rest, rest) })
    // the power levels rest on the creator's join, and our join on the power levels
    expect(answer).toMatchObject({ status: 502, body: { errcode: 'M_UNKNOWN' } })
    expect((await stage.server.membership(room.id, stage.alice.id))?.membership).not.toBe('join')
    const levels = room.stateEvent('m.room.power_levels').eventId
    expect(await verdictOf(levels)).toBe('absent')
    expect((await stage.join(room)).status).toBe(200)
  })

  test.each([['auth_events'], ['prev_events']] as const)('a template with %s of another room', async (name) => {
    const other = await stage.room()
    const room = new EvilRoom(stage.evil)
    const auth = room.authFor('m.room.member', stage.alice.id, stage.alice.id, { membership: 'join' })
    const foreign = name === 'auth_events' ? other.stateEvent('m.room.power_levels') : other.newest
    const named = (name === 'auth_events' ? [...auth, foreign] : [foreign]).map((event) =>
      referenceTo(room.version, event),
    )
    const made = room.template(stage.alice.id, 'join')
    const answer = await stage.while(
      ({ url }) =>
        url.includes('/make_join/')
          ? Response.json({ ...made, event: { ...(made.event as JsonObject), [name]: named } })
          : undefined,
      () => joinWith(room),
    )
    const ours = await stage.server.composed.deps.database.read((conn) =>
      stage.server.composed.deps.roomCache.find(conn, room.id),
    )
    if (name === 'auth_events') {
      expect(answer).toMatchObject({ status: 502, body: { errcode: 'M_UNKNOWN' } })
      expect((await stage.server.membership(room.id, stage.alice.id))?.membership).not.toBe('join')
      return
    }
    // it is unknown in this room, whatever it is in another: history that is missing
    expect(answer.status).toBe(200)
    expect(ours).toBeDefined()
    expect(await missingBefore(room)).toEqual([foreign.eventId])
  })

  /** As an honest answer, from a handler below the one that a test sets. */
  async function joinWith(room: EvilRoom) {
    return stage.while(
      (request) => (request.url.includes('/send_join/') ? Response.json(room.joinAnswer()) : undefined),
      () => stage.alice.call('POST', `/join/${at(room.id)}?server_name=evil.test`),
    )
  }

  async function missingBefore(room: EvilRoom): Promise<string[]> {
    const { listBackwardExtremities } = await import('../../../src/store/extremities.ts')
    const { nid } = await stage.server.room(room.id)
    const rows = await stage.server.composed.deps.database.read((conn) => listBackwardExtremities(conn, nid))
    return rows.map(({ eventId }) => eventId)
  }
})

test('an event of another room is in no state and no auth chain that we give', async () => {
  const [one, two] = [await stage.room(), await stage.room()]
  const { deps } = stage.server.composed
  const texts = await deps.database.read(async (conn) => {
    const [ours, theirs] = [await stage.server.room(one.id), await stage.server.room(two.id)]
    const nids = [ours.extremities[0]?.eventNid as number, theirs.extremities[0]?.eventNid as number]
    return readStateForServer(deps, conn, ours, nids)
  })
  expect(texts).toEqual([one.newest.text])
})

test('twenty previous events are taken, as many as an event may have', async () => {
  const room = await stage.room()
  const forks = Array.from({ length: 20 }, (_, i) => room.build(say(`fork ${i}`)))
  await stage.send(forks.map(({ text }) => text))
  expect(await stage.extremities(room)).toHaveLength(20)
  const merge = room.build(say('merge', { prev: forks }))
  await stage.send([merge.text])
  expect(await stage.extremities(room)).toEqual([merge.eventId])
})

test.each(['10', '11'])(
  'a create event that its creator redacts goes on to carry the room, version %s',
  async (version) => {
    const room = await stage.room({ version })
    const more = version === '10' ? { redacts: room.create.eventId } : {}
    const content = version === '10' ? {} : { redacts: room.create.eventId }
    const redaction = room.add({ type: 'm.room.redaction', content, more })
    expect((await stage.send([redaction.text])).json.pdus).toEqual({ [redaction.eventId]: {} })
    expect(await verdictOf(redaction.eventId)).toBe('accepted')
    await stage.alice.ok('PUT', `/rooms/${at(room.id)}/send/m.room.message/t1`, {
      msgtype: 'm.text',
      body: 'still here',
    })
    const next = room.build(say('and so are we'))
    const answer = await stage.send([next.text])
    expect(answer.json.pdus).toEqual({ [next.eventId]: {} })
    expect(await verdictOf(next.eventId)).toBe('accepted')
  },
)

test('the id of an event that is refused is the one its sender knows', () => {
  const room = new EvilRoom(stage.evil)
  const event = room.build(say('x'))
  expect(idOf(room.version, { ...event.pdu, unsigned: { age: 1 } })).toBe(event.eventId)
})
