import { describe, expect, test } from 'vitest'
import { requestErasure } from '../../src/privacy/erasure/request.ts'
import { rewriteIfDeleted } from '../../src/privacy/erasure/rewrite.ts'
import { eraseInboundDue } from '../../src/privacy/inbound/erase-inbound.ts'
import { receiveErasure } from '../../src/privacy/inbound/receive-erasure.ts'
import { eventIdOf, referenceHash } from '../../src/protocol/hash.ts'
import type { RoomEvent } from '../../src/protocol/event.ts'
import type { EventId, RoomId, ServerName, UserId } from '../../src/protocol/ids.ts'
import type { JsonObject } from '../../src/protocol/json-types.ts'
import { eventOfRow, loadEventsByIds } from '../../src/rooms/events.ts'
import { judgeAndAppend } from '../../src/rooms/live.ts'
import { putOutOfBand } from '../../src/rooms/out-of-band.ts'
import { storeOutliers } from '../../src/rooms/outliers.ts'
import { findEventById } from '../../src/store/events.ts'
import { findFact } from '../../src/store/facts.ts'
import { findMembership } from '../../src/store/memberships.ts'
import { remoteEvent, version } from '../support/engine.ts'
import { ErasureWorld } from '../support/erasure-world.ts'
import { engines } from '../support/store.ts'

const zoe: UserId = '@zoe:b.test'
const yan: UserId = '@yan:b.test'
const fromB = 'b.test' as ServerName
const signal = new AbortController().signal

/** What others say of a person in a member event. */
const named = (membership: string): JsonObject => ({
  membership,
  displayname: `CANARY-name-in-${membership}`,
  avatar_url: 'mxc://b.test/herface',
  reason: `CANARY-reason-of-${membership}`,
})

async function member(world: ErasureWorld, room: RoomId, sender: UserId, person: UserId, content: JsonObject) {
  return world.send(room, { type: 'm.room.member', stateKey: person, content, sender })
}

/** Bob invites somebody, throws them out, and bans them, each time with a name. */
async function speakOf(world: ErasureWorld, room: RoomId, bob: UserId, person: UserId): Promise<EventId[]> {
  const ids: EventId[] = []
  for (const membership of ['invite', 'leave', 'ban'])
    ids.push(await member(world, room, bob, person, named(membership)))
  return ids
}

async function stored(world: ErasureWorld, id: EventId) {
  const row = await world.deps.database.read((conn) => findEventById(conn, id))
  if (row === undefined) throw new Error(`${id} is not stored`)
  return row
}

/** The event is as redaction leaves it, under the same id, and still holds its place. */
async function expectPruned(world: ErasureWorld, room: RoomId, id: EventId, membership: string, before?: RoomEvent) {
  const row = await stored(world, id)
  const { version: roomVersion } = await world.deps.database.read((conn) => world.deps.roomCache.get(conn, room))
  const event = eventOfRow({ id: room, version: roomVersion }, row)
  expect(event.content).toEqual({ membership })
  expect(row.pruned_ts).not.toBeNull()
  expect(row.redacted_by).toBeNull()
  if (roomVersion.eventIdFormat !== 'origin') expect(eventIdOf(roomVersion, event.pdu)).toBe(id)
  if (before !== undefined) {
    expect(referenceHash(roomVersion, event.pdu)).toBe(referenceHash(roomVersion, before.pdu))
    expect([event.pdu.hashes, event.pdu.signatures]).toEqual([before.pdu.hashes, before.pdu.signatures])
  }
}

async function wholeEvent(world: ErasureWorld, room: RoomId, id: EventId): Promise<RoomEvent | undefined> {
  return world.deps.database.read(async (conn) => {
    const found = await loadEventsByIds(conn, await world.deps.roomCache.get(conn, room), [id])
    return found.get(id)?.event
  })
}

/** An event of b.test that follows the newest of the room. */
async function fromRemote(world: ErasureWorld, room: RoomId, sender: UserId, stateKey: UserId, content: JsonObject) {
  return world.deps.database.read(async (conn) => {
    const current = await world.deps.roomCache.get(conn, room)
    const members = [...new Set([sender, stateKey])].map((user) => ({ type: 'm.room.member', stateKey: user }))
    const rules = content.membership === 'join' || content.membership === 'invite' ? ['m.room.join_rules'] : []
    const places = ['m.room.create', 'm.room.power_levels', ...rules].map((type) => ({ type, stateKey: '' }))
    const auth = await world.deps.roomCache.stateEvents(conn, current, [...places, ...members])
    const prev = await loadEventsByIds(
      conn,
      current,
      current.extremities.map(({ eventId }) => eventId),
    )
    return remoteEvent(current.version, {
      roomId: room,
      sender,
      type: 'm.room.member',
      stateKey,
      content,
      prev: [...prev.values()].map(({ event }) => event),
      auth: auth.filter((event) => event !== undefined),
      ts: world.clock.now(),
    })
  })
}

describe.each(engines)('what others say of an erased person, on %s', (engine) => {
  test.each(['6', '8', '10', '11', '12'])('P4: a local person, room version %s', async (id) => {
    await using world = await ErasureWorld.start({}, engine)
    const alice = await world.user('alice')
    const bob = await world.user('bob')
    const room = await world.room(bob, id)
    const ids = await speakOf(world, room, bob, alice)
    const before = await Promise.all(ids.map((each) => wholeEvent(world, room, each)))
    await requestErasure(world.deps, { userId: alice, by: 'self' })
    await world.work()
    for (const [i, membership] of ['invite', 'leave', 'ban'].entries())
      await expectPruned(world, room, ids[i] as EventId, membership, before[i])
    if (engine === 'sqlite') expect(await world.bytes()).not.toContain('CANARY')
    // she stays banned, and the room goes on
    await expect(member(world, room, bob, alice, { membership: 'invite' })).rejects.toMatchObject({
      errcode: 'M_FORBIDDEN',
    })
    await member(world, room, bob, alice, { membership: 'leave' })
    await world.say(room, bob, 'still talking')
  })

  test.each(['redact', 'forget'])('P10: a person of another server, mode %s', async (mode) => {
    await using world = await ErasureWorld.start({ mode, inbound: { quarantine: '7d' } }, engine)
    const bob = await world.user('bob')
    const room = await world.room(bob, '10')
    const ids = await speakOf(world, room, bob, zoe)
    const others = await member(world, room, bob, yan, { membership: 'invite', displayname: 'yan stays' })
    const before = await Promise.all(ids.map((each) => wholeEvent(world, room, each)))
    await receiveErasure(world.deps, fromB, zoe)
    await eraseInboundDue(world.deps, signal)
    expect((await stored(world, ids[0] as EventId)).json).toContain('CANARY')
    world.clock.nowTs += 7 * 86_400_000
    await eraseInboundDue(world.deps, signal)
    await rewriteIfDeleted(world.deps)
    for (const [i, membership] of ['invite', 'leave', 'ban'].entries())
      await expectPruned(world, room, ids[i] as EventId, membership, before[i])
    expect((await stored(world, others)).json).toContain('yan stays')
    const nid = await world.nidOf(zoe)
    const roomNid = (await world.deps.database.read((conn) => world.deps.roomCache.get(conn, room))).nid
    expect(await world.deps.database.read((conn) => findMembership(conn, nid, roomNid))).toMatchObject({
      membership: 'ban',
      display_name: null,
      avatar_url: null,
    })
    if (engine === 'sqlite') expect(await world.bytes()).not.toContain('CANARY')
  })

  test('P3: what comes later is stored pruned, by every door, and a person who came back is named again', async () => {
    await using world = await ErasureWorld.start({ inbound: { quarantine: '0s' } }, engine)
    const bob = await world.user('bob')
    const room = await world.room(bob)
    await world.send(room, {
      type: 'm.room.power_levels',
      stateKey: '',
      content: { users: { [bob]: 100, [yan]: 50 } },
      sender: bob,
    })
    const join = await fromRemote(world, room, yan, yan, { membership: 'join' })
    const take = async (event: RoomEvent) => {
      const { verdict } = await world.deps.database.write(async (tx) =>
        judgeAndAppend(tx, world.deps, await world.deps.roomCache.forWrite(tx, room), { event, arrival: 'live' }),
      )
      expect(verdict).toMatchObject({ verdict: 'accepted' })
      return event.eventId
    }
    await take(join)
    await member(world, room, bob, zoe, { membership: 'invite' })
    await receiveErasure(world.deps, fromB, zoe)
    const deletedTs = () => world.deps.database.read((conn) => findFact(conn, 'deleted_ts'))
    expect(await deletedTs()).toBeUndefined()

    const live = await take(await fromRemote(world, room, yan, zoe, named('leave')))
    await expectPruned(world, room, live, 'leave')
    // it waited in the database until it was judged: the next rewrite is due for it
    expect(await deletedTs()).toBeDefined()
    const outlier = await fromRemote(world, room, yan, zoe, named('ban'))
    const current = await world.deps.database.read((conn) => world.deps.roomCache.get(conn, room))
    await storeOutliers(world.deps, current, [outlier])
    await expectPruned(world, room, outlier.eventId, 'ban')

    // the words of this server's own people are theirs
    const own = await member(world, room, bob, zoe, { membership: 'ban', reason: 'spam, says bob' })
    expect((await stored(world, own)).json).toContain('spam, says bob')

    await member(world, room, bob, zoe, { membership: 'leave' })
    const nid = await world.nidOf(zoe)
    world.deps.erased.returned(nid, world.clock.now())
    const again = await take(await fromRemote(world, room, yan, zoe, { membership: 'invite', displayname: 'Zoe' }))
    expect((await stored(world, again)).json).toContain('Zoe')
  })

  test('P4: an event that never became part of its room is pruned as well', async () => {
    await using world = await ErasureWorld.start({}, engine)
    const [alice, bob] = [await world.user('alice'), await world.user('bob')]
    const room = await world.room(bob)
    const outlier = await fromRemote(world, room, yan, alice, named('ban'))
    const current = await world.deps.database.read((conn) => world.deps.roomCache.get(conn, room))
    await storeOutliers(world.deps, current, [outlier])
    expect((await stored(world, outlier.eventId)).json).toContain('CANARY')
    await requestErasure(world.deps, { userId: alice, by: 'self' })
    await world.work()
    await expectPruned(world, room, outlier.eventId, 'ban', outlier)
  })

  test('P3: an invite that comes later keeps no name of an erased person', async () => {
    await using world = await ErasureWorld.start({}, engine)
    const bob = await world.user('bob')
    const room = await world.room(bob)
    await member(world, room, bob, zoe, { membership: 'invite' })
    await receiveErasure(world.deps, fromB, zoe)
    const roomId: RoomId = '!elsewhere:b.test'
    const state = (type: string, stateKey: string, sender: UserId, content: JsonObject) => ({
      type,
      state_key: stateKey,
      sender,
      content,
    })
    await world.deps.database.write((tx) =>
      putOutOfBand(tx, world.deps, {
        roomId,
        version: version('11'),
        userId: bob,
        sender: yan,
        membership: 'invite',
        stripped: [
          state('m.room.name', '', yan, { name: 'the room of yan' }),
          state('org.example.card', '', zoe, { text: 'CANARY-card' }),
          state('m.room.member', zoe, zoe, named('join')),
          state('m.room.member', zoe, yan, named('invite')),
          state('m.room.member', bob, yan, { membership: 'invite', displayname: 'Bob' }),
        ],
      }),
    )
    const [nid, roomNid] = await world.deps.database.read(async (conn) => [
      await world.deps.roomCache.userNid(conn, bob),
      (await world.deps.roomCache.get(conn, roomId)).nid,
    ])
    const kept = (await world.deps.database.read((conn) => findMembership(conn, nid ?? 0, roomNid)))?.stripped_state
    const text = JSON.stringify(kept)
    expect(text).not.toContain('CANARY')
    for (const words of ['the room of yan', 'Bob']) expect(text).toContain(words)
  })
})
