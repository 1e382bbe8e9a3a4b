import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { RoomEvent } from '../../../src/protocol/event.ts'
import type { EventId } from '../../../src/protocol/ids.ts'
import { backfill } from '../../../src/rooms/backfill.ts'
import { stateAtEvent } from '../../../src/rooms/state.ts'
import { findEventById } from '../../../src/store/events.ts'
import { referenceTo } from '../../support/engine.ts'
import { EvilRoom, type Draft } from '../../support/evil/room.ts'
import { answers, Stage, them, userOf } from '../../support/evil/stage.ts'

/** Events that exactly one check refuses, where the tables have several that would. */
let stage: Stage
beforeAll(async () => {
  stage = await Stage.start()
})
afterAll(() => stage[Symbol.asyncDispose]())

const at = encodeURIComponent
const weak = userOf('weak')
const say = (body: string, more: Partial<Draft> = {}): Draft => ({ type: 'm.room.message', content: { body }, ...more })

async function verdictOf(eventId: EventId): Promise<string> {
  const row = (await stage.storedByIds([eventId])).get(eventId)
  if (row === undefined) return 'absent'
  if (row.rejected !== null) return row.rejected
  return row.soft_failed ? 'soft-failed' : row.outlier ? 'outlier' : 'accepted'
}

async function withWeakUser() {
  const room = await stage.room()
  const draft = { type: 'm.room.member', sender: weak, stateKey: weak, content: { membership: 'join' } }
  const join = room.add(draft)
  await stage.send([join.text])
  const base = [room.create, room.stateEvent('m.room.power_levels')]
  return { room, draft, join, base }
}

describe('an event of the timeline', () => {
  test('allowed by its auth events, but not by the state before it, is rejected', async () => {
    const { room, join, base } = await withWeakUser()
    const ban = room.add({ type: 'm.room.member', stateKey: weak, content: { membership: 'ban' } })
    const said = room.build(say('with an old ticket', { sender: weak, auth: [...base, join] }))
    await stage.send([ban.text, said.text])
    expect(await verdictOf(said.eventId)).toMatch(/not joined|not in the room|sender/)
  })

  test('with two auth events for one place is rejected', async () => {
    const { room, draft, join, base } = await withWeakUser()
    const again = room.add({ ...draft, content: { membership: 'join', displayname: 'Weak' } })
    const said = room.build(say('twice', { sender: weak, auth: [...base, join, again] }))
    await stage.send([again.text, said.text])
    expect(await verdictOf(said.eventId)).toMatch(/two auth events/)
  })

  test('with an auth event that is not to be selected is rejected', async () => {
    const { room, join, base } = await withWeakUser()
    const auth = [...base, join, room.stateEvent('m.room.join_rules')]
    const said = room.build(say('too many', { sender: weak, auth }))
    await stage.send([said.text])
    expect(await verdictOf(said.eventId)).toMatch(/not to be selected/)
  })

  test('with a rejected auth event is rejected, though the state before it allows it', async () => {
    const { room, join } = await withWeakUser()
    const content = { users: { [weak]: 100 } }
    const levels = room.build({ type: 'm.room.power_levels', sender: weak, stateKey: '', content })
    const said = room.build(say('by my own power', { sender: weak, auth: [room.create, levels, join] }))
    await stage.send([levels.text, said.text])
    expect(await verdictOf(said.eventId)).toMatch(/auth event .* was rejected/)
  })

  test('without a create event among its auth events is rejected', async () => {
    const { room, join, base } = await withWeakUser()
    const said = room.build(say('from nowhere', { sender: weak, auth: [...base.slice(1), join] }))
    await stage.send([said.text])
    expect(await verdictOf(said.eventId)).toMatch(/create event/)
  })

  test('behind a gap gets the state that was answered without a rejected event in it', async () => {
    const { room } = await withWeakUser()
    const topic = room.build({ type: 'm.room.topic', sender: weak, stateKey: '', content: { topic: 'mine' } })
    await stage.send([topic.text])
    const lost = room.build(say('lost'))
    const tip = room.build(say('tip', { prev: [lost] }))
    const given = answers({
      get_missing_events: () => '{"events":[]}',
      state: () => `{"pdus":[${[...room.state.values(), topic].map(({ text }) => text).join()}],"auth_chain":[]}`,
    })
    await stage.while(given, () => stage.send([tip.text]))
    expect(await verdictOf(tip.eventId)).toBe('accepted')
    const target = `/_matrix/federation/v1/state_ids/${at(room.id)}?event_id=${at(tip.eventId)}`
    const { json } = await stage.request('GET', target)
    expect([...(json.pdu_ids as string[])].sort()).toEqual(room.stateIds().sort())
  })

  test('behind a gap whose state has no create event is not taken', async () => {
    const room = await stage.room()
    const lost = room.build(say('lost'))
    const tip = room.build(say('tip', { prev: [lost] }))
    const texts = [...room.state.values()].filter((event) => event !== room.create).map(({ text }) => text)
    const given = answers({
      get_missing_events: () => '{"events":[]}',
      state: () => `{"pdus":[${texts.join()}],"auth_chain":[${room.create.text}]}`,
    })
    await stage.while(given, () => stage.send([tip.text]))
    expect(await verdictOf(tip.eventId)).toBe('absent')
  })
})

test('history that nothing leads to is not taken', async () => {
  const room = new EvilRoom(stage.evil)
  room.add(say('old'))
  const ids = room.stateIds()
  const [last, stray] = [room.build(say('last')), room.build(say('stray'))] as [RoomEvent, RoomEvent]
  await stage.join(room, { prev: [referenceTo(room.version, last)] })
  const given = answers({
    backfill: () => `{"origin":"${them}","origin_server_ts":1,"pdus":[${last.text},${stray.text}]}`,
    state_ids: () => JSON.stringify({ pdu_ids: ids, auth_chain_ids: [] }),
  })
  const { deps } = stage.server.composed
  const ours = await stage.server.room(room.id)
  await stage.while(given, () => backfill(deps, ours, { limit: 10, deadlineMs: 5000 }))
  expect([await verdictOf(last.eventId), await verdictOf(stray.eventId)]).toEqual(['accepted', 'absent'])
})

test('history gets a state without the event of another room that was named in it', async () => {
  const other = await stage.room()
  const topic = other.add({ type: 'm.room.topic', stateKey: '', content: { topic: 'elsewhere' } })
  await stage.send([topic.text])
  const room = new EvilRoom(stage.evil)
  const ids = room.stateIds()
  const last = room.build(say('last'))
  await stage.join(room, { prev: [referenceTo(room.version, last)] })
  const given = answers({
    backfill: () => `{"origin":"${them}","origin_server_ts":1,"pdus":[${last.text}]}`,
    state_ids: () => JSON.stringify({ pdu_ids: [...ids, topic.eventId], auth_chain_ids: [] }),
  })
  const { deps } = stage.server.composed
  const ours = await stage.server.room(room.id)
  await stage.while(given, () => backfill(deps, ours, { limit: 10, deadlineMs: 5000 }))
  expect(await verdictOf(last.eventId)).toBe('accepted')
  const nids = await deps.database.read(async (conn) => {
    const row = await findEventById(conn, last.eventId)
    return row === undefined ? [] : [...(await stateAtEvent(deps, conn, row, 'before')).values()]
  })
  expect(nids).toHaveLength(ids.length)
})

describe('a handshake', () => {
  test('an invite of somebody who is in the room is not signed', async () => {
    const room = await stage.room()
    const { id } = stage.alice
    const event = room.build({ type: 'm.room.member', stateKey: id, content: { membership: 'invite' } })
    const target = `/_matrix/federation/v2/invite/${at(room.id)}/${at(event.eventId)}`
    const body = `{"room_version":"11","event":${event.text},"invite_room_state":[]}`
    const answer = await stage.request('PUT', target, body)
    expect([answer.status, answer.json.errcode]).toEqual([403, 'M_FORBIDDEN'])
  })

  test('an invite of version 12 without the create event is not signed', async () => {
    const room = new EvilRoom(stage.evil, { version: '12' })
    const other = new EvilRoom(stage.evil, { version: '12' })
    const { id } = stage.alice
    const event = room.build({ type: 'm.room.member', stateKey: id, content: { membership: 'invite' } })
    const target = `/_matrix/federation/v2/invite/${at(room.id)}/${at(event.eventId)}`
    const ask = (state: string) =>
      stage.request('PUT', target, `{"room_version":"12","event":${event.text},"invite_room_state":[${state}]}`)
    for (const state of ['', other.create.text, room.newest.text]) expect((await ask(state)).status).toBe(400)
    expect((await ask(room.create.text)).status).toBe(200)
  })

  test('no template is made for a user of another server', async () => {
    const room = await stage.room()
    const target = `/_matrix/federation/v1/make_join/${at(room.id)}/${at('@somebody:third.test')}?ver=11`
    const answer = await stage.request('GET', target)
    expect([answer.status, answer.json.errcode]).toEqual([403, 'M_FORBIDDEN'])
  })
})
