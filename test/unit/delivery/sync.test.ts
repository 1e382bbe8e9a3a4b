import { describe, expect, test, vi } from 'vitest'
import { setMarks } from '../../../src/delivery/receipts.ts'
import { setTyping } from '../../../src/delivery/typing.ts'
import type { RoomId, UserId } from '../../../src/protocol/ids.ts'
import { bumpEpoch } from '../../../src/store/epochs.ts'
import { putUserErased } from '../../../src/store/erased-marks.ts'
import { listChangedSyncRooms } from '../../../src/store/sync.ts'
import { putAccountData } from '../../../src/store/account-data.ts'
import { putPushRules } from '../../../src/store/push-rules.ts'
import { engines } from '../../support/store.ts'
import { DeliveryWorld } from './delivery-world.ts'
import type { Reply } from '../../support/reply.ts'
import { roomOf } from '../../support/reply.ts'

async function start(engine: (typeof engines)[number]) {
  const world = await DeliveryWorld.start(engine)
  const [alice, bob] = [await world.engine.user('alice'), await world.engine.user('bob')]
  const room = (await world.engine.room(alice)).id
  await world.join(room, bob)
  return { world, alice, bob, room, [Symbol.asyncDispose]: () => world[Symbol.asyncDispose]() }
}

const bodies = (answer: Reply, room: RoomId) =>
  (answer.rooms?.join?.[room]?.timeline.events ?? []).map(({ content }: { content: { body?: string } }) => content.body)

describe.each(engines)('/sync on %s', (engine) => {
  test('from nothing, then step by step', async () => {
    await using place = await start(engine)
    const { world, alice, bob, room } = place
    const first = await world.sync(alice)
    expect(Object.keys(first.rooms.join)).toEqual([room])
    await world.say(room, bob, 'one')
    const second = await world.sync(alice, first.next_batch)
    expect(bodies(second, room)).toEqual(['one'])
    expect(roomOf(second, room).unread_notifications).toEqual({ notification_count: 1, highlight_count: 0 })
    expect((await world.sync(alice, second.next_batch)).rooms).toBeUndefined()
    // with a gap: the state at the token is looked up
    await world.send(room, alice, 'm.room.topic', { topic: 'x' }, '')
    for (let i = 0; i < 20; i++) await world.say(room, bob, `m${i}`)
    const third = await world.sync(alice, second.next_batch)
    expect(roomOf(third, room).timeline.limited).toBe(true)
    expect(roomOf(third, room).state.events.map(({ type }: { type: string }) => type)).toEqual(['m.room.topic'])
  })

  test('who comes back at once waits without a read, until there is something', async () => {
    await using place = await start(engine)
    const { world, alice, bob, room } = place
    const { next_batch: since } = await world.sync(alice)
    const snapshots = vi.spyOn(world.deps.database, 'snapshot')
    const answer = world.sync(alice, since, { timeoutMs: 60_000 })
    await expect.poll(() => world.deps.notifier.waiting).toBe(1)
    expect(snapshots).toHaveBeenCalledTimes(engine === 'sqlite' ? 0 : 1)
    await world.say(room, bob, 'one')
    expect(bodies(await answer, room)).toEqual(['one'])
    // somebody began to type, which is no position of the database
    const { next_batch: before } = await world.sync(alice, since)
    await setTyping(world.deps, await world.requester(bob), room, { isTyping: true })
    const typing = await world.sync(alice, before, { timeoutMs: 60_000 })
    expect(roomOf(typing, room).ephemeral.events).toHaveLength(1)
    // nothing: the token stays
    expect((await world.sync(alice, typing.next_batch, { timeoutMs: 1 })).next_batch).toBe(typing.next_batch)
    world.deps.typing.stop()
  })

  test('the way by what moved and the way by all rooms find the same rooms', async () => {
    await using place = await start(engine)
    const { world, alice, bob, room } = place
    const { userNid } = await world.requester(alice)
    const rooms = [room]
    for (let i = 0; i < 5; i++) rooms.push((await world.engine.room(alice)).id)
    const nids = await world.deps.database.read(async (conn) => {
      const found: number[] = []
      for (const id of rooms) found.push((await world.deps.roomCache.get(conn, id)).nid)
      return found
    })
    const { database } = world.deps
    const vector = await database.read((conn) => database.streamVector(conn))
    await world.say(rooms[1] as RoomId, alice, 'x')
    await world.send(rooms[2] as RoomId, alice, 'm.room.member', { membership: 'leave' }, alice)
    await database.write((tx) => putAccountData(tx, { userNid, roomNid: nids[3] as number, type: 'a', content: '{}' }))
    const event = await world.say(room, bob, 'y')
    await setMarks(world.deps, await world.requester(bob), room, [{ type: 'm.read', eventId: event }])
    const behind = [...vector]
    const typing = [nids[4] as number]
    const find = async (isNear: boolean) => {
      const rows = await database.read((conn) => listChangedSyncRooms(conn, userNid, { behind, typing, isNear }))
      return rows.map((row) => `${row.room_id} ${row.membership} ${row.has_receipts}`).toSorted()
    }
    expect(await find(true)).toHaveLength(5)
    expect(await find(false)).toEqual(await find(true))
  })

  test('threads, receipts and highlights are counted', async () => {
    await using place = await start(engine)
    const { world, alice, bob, room } = place
    const filter = { room: { timeline: { unread_thread_notifications: true } } }
    const root = await world.say(room, bob, 'root')
    const last = await world.say(room, bob, 'reply', {
      'm.relates_to': { rel_type: 'm.thread', event_id: root },
      'm.mentions': { user_ids: [alice] },
    })
    const counts = async () => {
      const section = roomOf(await world.sync(alice, undefined, { filter }), room)
      return [section.unread_notifications, section.unread_thread_notifications]
    }
    expect(await counts()).toEqual([
      { notification_count: 1, highlight_count: 0 },
      { [root]: { notification_count: 1, highlight_count: 1 } },
    ])
    await setMarks(world.deps, await world.requester(alice), room, [{ type: 'm.read', eventId: last, threadId: root }])
    expect(await counts()).toEqual([{ notification_count: 1, highlight_count: 0 }, undefined])
    await setMarks(world.deps, await world.requester(alice), room, [{ type: 'm.read.private', eventId: last }])
    expect(await counts()).toEqual([{ notification_count: 0, highlight_count: 0 }, undefined])
  })

  test('more than can be counted one by one', async () => {
    await using place = await start(engine)
    const { world, alice, bob, room } = place
    await Promise.all(Array.from({ length: 510 }, (_, i) => world.say(room, bob, `m${i}`)))
    expect(roomOf(await world.sync(alice), room).unread_notifications.notification_count).toBe(510)
  })

  test('push rules and account data come as they change', async () => {
    await using place = await start(engine)
    const { world, alice } = place
    const { userNid } = await world.requester(alice)
    const first = await world.sync(alice)
    await world.deps.database.write(async (tx) => {
      await putAccountData(tx, { userNid, roomNid: 0, type: 'a', content: '{"b":1}' })
      await putPushRules(tx, userNid, JSON.stringify({ own: {}, defaults: { '.m.rule.message': { enabled: false } } }))
    })
    const { events } = (await world.sync(alice, first.next_batch)).account_data
    expect(events.map(({ type }: { type: string }) => type)).toEqual(['a', 'm.push_rules'])
    await world.deps.database.write((tx) => putAccountData(tx, { userNid, roomNid: 0, type: 'a', content: null }))
    const deleted = await world.sync(alice, first.next_batch)
    expect(deleted.account_data.events[0]).toEqual({ type: 'a', content: {} })
    expect((await world.sync(alice)).account_data.events.map(({ type }: { type: string }) => type)).toEqual([
      'm.push_rules',
    ])
  })

  test('typing and receipts are told to other servers in the room', async () => {
    await using place = await start(engine)
    const { world, alice, bob, room } = place
    const event = await world.say(room, bob, 'x')
    // nobody else is in the room
    await setTyping(world.deps, await world.requester(alice), room, { isTyping: true })
    await setMarks(world.deps, await world.requester(alice), room, [{ type: 'm.read', eventId: event }])
    expect(world.edus).toEqual([])
    const answer = await world.sync(bob)
    expect(roomOf(answer, room).ephemeral.events).toEqual([
      { type: 'm.receipt', content: { [event]: { 'm.read': { [alice]: { ts: expect.any(Number) } } } } },
      { type: 'm.typing', content: { user_ids: [alice] } },
    ])
  })

  test('erased persons: what strangers see of their messages, receipts, invites', async () => {
    await using place = await start(engine)
    const { world, alice, bob, room } = place
    const event = await world.say(room, bob, 'personal words')
    await setMarks(world.deps, await world.requester(bob), room, [{ type: 'm.read', eventId: event }])
    const { userNid } = await world.requester(bob)
    const carol: UserId = await world.engine.user('carol')
    await world.join(room, carol)
    const invited = (await world.engine.room(bob)).id
    await world.send(invited, bob, 'm.room.member', { membership: 'invite', displayname: 'personal name' }, carol)
    const ts = world.deps.clock.now()
    await world.deps.database.write(async (tx) => {
      await putUserErased(tx, userNid, { ts, mode: 'forget' })
      await bumpEpoch(tx, 'erasures')
    })
    await world.deps.database.read((conn) => world.erased.load(conn))
    const text = JSON.stringify(await world.sync(carol))
    expect(text).not.toContain('personal')
    expect(text).not.toContain('"m.receipt"')
    // who was there keeps it in this mode
    expect(JSON.stringify(await world.sync(alice))).toContain('personal words')
  })
})
