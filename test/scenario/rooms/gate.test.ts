import { describe, expect, test } from 'vitest'
import type { RoomEvent } from '../../../src/protocol/event.ts'
import type { EventId, RoomId, ServerName, UserId } from '../../../src/protocol/ids.ts'
import type { JsonObject } from '../../../src/protocol/json-types.ts'
import { pruneEvent } from '../../../src/protocol/redact.ts'
import { findEventById, listKnownEvents } from '../../../src/store/events.ts'
import { findMembership } from '../../../src/store/memberships.ts'
import { listStagedRooms, insertStaged } from '../../../src/store/staged.ts'
import { putServer } from '../../../src/store/servers.ts'
import type { Door } from '../../../src/rooms/receive.ts'
import { receive } from '../../../src/rooms/receive.ts'
import { resumeStaged } from '../../../src/rooms/staged-events.ts'
import type { Room } from '../../../src/rooms/room.ts'
import type { FakeFederation, TestEngine } from '../../support/engine.ts'
import { makeEngine, remoteEvent, version } from '../../support/engine.ts'
import { systemClock } from '../../../src/util/system-ports.ts'
import { engines } from '../../support/store.ts'

const b = 'b.test' as ServerName
const bob: UserId = '@bob:b.test'

/** A room of alice@a.test with a remote member, and what its next remote event needs. */
class Scene {
  readonly a: TestEngine
  readonly alice: UserId
  readonly room: Room
  readonly join: RoomEvent
  readonly roomVersion

  constructor(a: TestEngine, alice: UserId, room: Room, join: RoomEvent) {
    this.a = a
    this.alice = alice
    this.room = room
    this.join = join
    this.roomVersion = room.version
  }

  static async start(a: TestEngine, versionId = '11', powerLevels?: JsonObject): Promise<Scene> {
    const alice = await a.user('alice')
    const made = await a.room(alice, { version: versionId, ...(powerLevels === undefined ? {} : { powerLevels }) })
    const scene = new Scene(a, alice, made, undefined as unknown as RoomEvent)
    const join = remoteEvent(version(versionId), {
      roomId: made.id,
      sender: bob,
      type: 'm.room.member',
      stateKey: bob,
      content: { membership: 'join' },
      prev: [await scene.newest()],
      auth: await scene.auth(['m.room.create', ''], ['m.room.power_levels', ''], ['m.room.join_rules', '']),
    })
    expect(await scene.receive([join], 'send_join')).toEqual(['accepted'])
    return new Scene(a, alice, made, join)
  }

  async auth(...keys: [string, string][]): Promise<RoomEvent[]> {
    const room = await this.a.current(this.room.id)
    const wanted = keys.filter(([type]) => !(room.version.roomIdIsCreateHash && type === 'm.room.create'))
    const events = await this.a.database.read((conn) =>
      this.a.deps.roomCache.stateEvents(
        conn,
        room,
        wanted.map(([type, stateKey]) => ({ type, stateKey })),
      ),
    )
    return events.filter((event) => event !== undefined)
  }

  memberAuth(user: string = bob): Promise<RoomEvent[]> {
    return this.auth(['m.room.create', ''], ['m.room.power_levels', ''], ['m.room.member', user])
  }

  async newest(): Promise<RoomEvent> {
    const room = await this.a.current(this.room.id)
    const eventId = room.extremities.at(-1)?.eventId as EventId
    return (await this.load(eventId)) as RoomEvent
  }

  async load(eventId: EventId): Promise<RoomEvent | undefined> {
    const { loadEventsByIds } = await import('../../../src/rooms/events.ts')
    return this.a.database.read(async (conn) => (await loadEventsByIds(conn, this.room, [eventId])).get(eventId)?.event)
  }

  async message(
    body: string,
    prev: readonly RoomEvent[],
    fields: { auth?: readonly RoomEvent[]; sender?: UserId } = {},
  ): Promise<RoomEvent> {
    return remoteEvent(this.room.version, {
      roomId: this.room.id,
      sender: fields.sender ?? bob,
      type: 'm.room.message',
      content: { body, msgtype: 'm.text' },
      prev,
      auth: fields.auth ?? (await this.memberAuth()),
    })
  }

  async receive(events: readonly RoomEvent[], door: Door = 'send', roomId: RoomId = this.room.id): Promise<string[]> {
    const verdicts = await receive(this.a.deps, { door, origin: b, roomId, pdus: events.map(({ pdu }) => pdu) })
    return verdicts.map(({ verdict }) => verdict)
  }

  row(eventId: EventId) {
    return this.a.database.read((conn) => findEventById(conn, eventId))
  }

  async [Symbol.asyncDispose]() {
    await this.a[Symbol.asyncDispose]()
  }
}

async function scene(
  engine: 'sqlite' | 'postgres',
  versionId = '11',
  federation: FakeFederation = {},
  powerLevels?: JsonObject,
): Promise<Scene> {
  return Scene.start(await makeEngine(engine, 'a.test', federation), versionId, powerLevels)
}

describe.each(engines)('the gate on %s', (engine) => {
  test.each(['1', '2', '3', '6', '11', '12'])(
    'takes a join and a message of another server in version %s',
    async (id) => {
      await using s = await scene(engine, id)
      const message = await s.message('hello', [s.join])
      expect(await s.receive([message])).toEqual(['accepted'])
      expect(await s.receive([message])).toEqual(['duplicate'])
      const room = await s.a.current(s.room.id)
      expect(room.extremities.map(({ eventId }) => eventId)).toEqual([message.eventId])
      expect(room.hosts).toHaveLength(1)
      const row = await s.row(message.eventId)
      expect(row?.ord).toBeGreaterThan(0)
      expect(row?.local).toBe(false)
      expect(await s.a.database.read((conn) => listStagedRooms(conn))).toEqual([])
    },
  )

  test('a long chain is judged in its order, also where earlier reads are answered later', async () => {
    await using s = await scene(engine)
    const chain = [await s.message('0', [s.join])]
    for (let i = 1; i < 30; i++) chain.push(await s.message(String(i), [chain.at(-1) as RoomEvent]))
    const { database } = s.a
    let reads = 0
    const slow = new Proxy(database, {
      get(target, key) {
        const value: unknown = Reflect.get(target, key, target)
        if (typeof value !== 'function') return value
        if (key !== 'read') return value.bind(target) as unknown
        return async (fn: Parameters<typeof database.read>[0]) => {
          await systemClock.sleep(Math.max(0, 80 - reads++) * 3)
          return database.read(fn)
        }
      },
    })
    const pdus = chain.map(({ pdu }) => pdu)
    const verdicts = await receive({ ...s.a.deps, database: slow }, { door: 'send', origin: b, pdus })
    expect(verdicts.map(({ verdict }) => verdict)).toEqual(chain.map(() => 'accepted'))
    // nothing was thought to be missing
    expect(s.a.calls).toEqual([])
  })

  test('a bad signature is refused, a wrong hash redacted, and neither fails its neighbours', async () => {
    await using s = await scene(engine)
    const first = await s.message('first', [s.join])
    const forged = await s.message('forged', [s.join])
    const changed = await s.message('changed later', [first])
    const pdus = [
      { ...forged.pdu, origin_server_ts: 1 },
      first.pdu,
      { ...changed.pdu, content: { body: 'other words', msgtype: 'm.text' } },
      'nonsense',
      { room_id: s.room.id, type: 5 },
    ]
    const verdicts = await receive(s.a.deps, { door: 'send', origin: b, pdus })
    expect(verdicts.map(({ verdict }) => verdict)).toEqual(['refused', 'accepted', 'accepted', 'refused', 'refused'])
    expect((await s.row(first.eventId))?.json).toContain('first')
    expect((await s.row(changed.eventId))?.json).toBe(pruneEvent(changed).text)
  })

  test('an event that its auth events do not allow is rejected, is no extremity, and what follows it lives', async () => {
    await using s = await scene(engine)
    const topic = remoteEvent(s.room.version, {
      roomId: s.room.id,
      sender: bob,
      type: 'm.room.topic',
      stateKey: '',
      content: { topic: 'mine' },
      prev: [s.join],
      auth: await s.memberAuth(),
    })
    expect(await s.receive([topic])).toEqual(['rejected'])
    expect((await s.row(topic.eventId))?.ord).toBeNull()
    const after = await s.message('after', [topic])
    expect(await s.receive([after])).toEqual(['accepted'])
    const room = await s.a.current(s.room.id)
    // by way of the rejected event it ends the join
    expect(room.extremities.map(({ eventId }) => eventId)).toEqual([after.eventId])
    expect((await s.auth(['m.room.topic', ''])).length).toBe(0)
    expect(await s.receive([topic])).toEqual(['rejected'])
  })

  test('what a banned user sends on an old branch is soft-failed, and is no extremity', async () => {
    await using s = await scene(engine)
    const auth = await s.memberAuth()
    const ban = await s.a.append(s.room.id, {
      type: 'm.room.member',
      stateKey: bob,
      content: { membership: 'ban' },
      sender: s.alice,
    })
    const evading = await s.message('evading', [s.join], { auth })
    expect(await s.receive([evading])).toEqual(['soft_failed'])
    expect((await s.row(evading.eventId))?.ord).toBeNull()
    const room = await s.a.current(s.room.id)
    expect(room.extremities.map(({ eventId }) => eventId)).toEqual([ban.eventId])
    expect(room.hosts).toEqual([])
  })

  test.each(['2', '6', '11', '12'])(
    'two branches are resolved in version %s: the ban wins over the topic',
    async (id) => {
      const users = id === '12' ? { users: { [bob]: 50 } } : { users: { '@alice:a.test': 100, [bob]: 50 } }
      await using s = await scene(engine, id, {}, users)
      const auth = await s.memberAuth()
      const topic = remoteEvent(s.room.version, {
        roomId: s.room.id,
        sender: bob,
        type: 'm.room.topic',
        stateKey: '',
        content: { topic: 'mine now' },
        prev: [s.join],
        auth,
      })
      await s.a.append(s.room.id, {
        type: 'm.room.member',
        stateKey: bob,
        content: { membership: 'ban' },
        sender: s.alice,
      })
      expect(await s.receive([topic])).toEqual(['soft_failed'])
      const carol: UserId = '@carol:c.test'
      const join = remoteEvent(s.room.version, {
        roomId: s.room.id,
        sender: carol,
        type: 'm.room.member',
        stateKey: carol,
        content: { membership: 'join' },
        prev: [await s.newest(), topic],
        auth: await s.auth(['m.room.create', ''], ['m.room.power_levels', ''], ['m.room.join_rules', '']),
      })
      expect(await s.receive([join])).toEqual(['accepted'])
      expect(await s.auth(['m.room.topic', ''])).toEqual([])
      const [member] = await s.auth(['m.room.member', bob])
      expect(member?.content.membership).toBe('ban')
      const bobNid = await s.a.database.read((conn) => s.a.deps.roomCache.userNid(conn, bob))
      const row = await s.a.database.read((conn) => findMembership(conn, bobNid as number, s.room.nid))
      expect(row?.membership).toBe('ban')
    },
  )

  test('a fork of two accepted branches ends in one state for both', async () => {
    await using s = await scene(engine)
    const local = await s.a.append(s.room.id, {
      type: 'm.room.topic',
      stateKey: '',
      content: { topic: 'ours' },
      sender: s.alice,
    })
    const remote = await s.message('meanwhile', [s.join])
    expect(await s.receive([remote])).toEqual(['accepted'])
    const room = await s.a.current(s.room.id)
    expect(new Set(room.extremities.map(({ eventId }) => eventId))).toEqual(new Set([local.eventId, remote.eventId]))
    expect((await s.auth(['m.room.topic', '']))[0]?.eventId).toBe(local.eventId)
    const merge = await s.a.append(s.room.id, { type: 'm.room.message', content: { body: 'both' }, sender: s.alice })
    expect(new Set(merge.prevEventIds)).toEqual(new Set([local.eventId, remote.eventId]))
    expect((await s.a.current(s.room.id)).extremities.map(({ eventId }) => eventId)).toEqual([merge.eventId])
  })

  test('P10: a redaction that comes before its target applies when the target comes', async () => {
    await using s = await scene(engine)
    const target = await s.message('secret words', [s.join])
    const redaction = remoteEvent(s.room.version, {
      roomId: s.room.id,
      sender: bob,
      type: 'm.room.redaction',
      content: {},
      redacts: target.eventId,
      prev: [s.join],
      auth: await s.memberAuth(),
    })
    expect(await s.receive([redaction])).toEqual(['accepted'])
    expect(await s.receive([target])).toEqual(['accepted'])
    const row = await s.row(target.eventId)
    expect(row?.json).not.toContain('secret words')
    expect(row?.redacted_by).toBe((await s.row(redaction.eventId))?.event_nid)
  })

  test('P10: a soft-failed redaction of the same sender applies, one of another does not', async () => {
    await using s = await scene(engine)
    const auth = await s.memberAuth()
    const target = await s.message('secret words', [s.join])
    expect(await s.receive([target])).toEqual(['accepted'])
    const ours = await s.a.append(s.room.id, { type: 'm.room.message', content: { body: 'stays' }, sender: s.alice })
    await s.a.append(s.room.id, {
      type: 'm.room.member',
      stateKey: bob,
      content: { membership: 'ban' },
      sender: s.alice,
    })
    const redaction = (redacts: EventId) =>
      remoteEvent(s.room.version, {
        roomId: s.room.id,
        sender: bob,
        type: 'm.room.redaction',
        content: {},
        redacts,
        prev: [target],
        auth,
      })
    expect(await s.receive([redaction(target.eventId), redaction(ours.eventId)])).toEqual([
      'soft_failed',
      'soft_failed',
    ])
    expect((await s.row(target.eventId))?.json).not.toContain('secret words')
    expect((await s.row(ours.eventId))?.json).toContain('stays')
  })

  test('a redaction by someone without the power, or of another room, does nothing', async () => {
    await using s = await scene(engine)
    const ours = await s.a.append(s.room.id, { type: 'm.room.message', content: { body: 'stays' }, sender: s.alice })
    const other = await s.a.room(s.alice)
    const elsewhere = await s.a.append(other.id, {
      type: 'm.room.message',
      content: { body: 'elsewhere' },
      sender: s.alice,
    })
    for (const redacts of [
      ours.eventId,
      elsewhere.eventId,
      (await s.auth(['m.room.create', '']))[0]?.eventId as EventId,
    ]) {
      const redaction = remoteEvent(s.room.version, {
        roomId: s.room.id,
        sender: bob,
        type: 'm.room.redaction',
        content: {},
        redacts,
        prev: [await s.newest()],
        auth: await s.memberAuth(),
      })
      expect(await s.receive([redaction])).toEqual(['accepted'])
      expect((await s.row(redacts))?.redacted_by).toBeNull()
    }
  })

  test('missing events are fetched and come first; nothing else that the answer holds is taken', async () => {
    let answer: readonly JsonObject[] = []
    await using s = await scene(engine, '11', { getMissingEvents: async () => answer })
    const chain = [await s.message('1', [s.join])]
    for (let i = 2; i <= 5; i++) chain.push(await s.message(`${i}`, [chain.at(-1) as RoomEvent]))
    const stray = await s.message('stray', [s.join])
    answer = [...chain.slice(0, 4), stray].map(({ pdu }) => pdu)
    expect(await s.receive([chain[4] as RoomEvent])).toEqual(['accepted'])
    const rows = await Promise.all(chain.map(({ eventId }) => s.row(eventId)))
    const ords = rows.map((row) => row?.ord ?? 0)
    expect(ords).toEqual([...ords].sort((x, y) => x - y))
    expect(await s.row(stray.eventId)).toBeUndefined()
    expect(s.a.calls).toEqual(['getMissingEvents'])
    expect((await s.a.current(s.room.id)).extremities).toHaveLength(1)
  })

  test('a gap that stays is bridged by the state before it, with two calls', async () => {
    const pdus: JsonObject[] = []
    await using s = await scene(engine, '11', {
      getMissingEvents: async () => [],
      getState: async () => ({ pdus, authChain: [] }),
    })
    const lost = await s.message('lost', [s.join])
    const after = await s.message('after', [lost])
    const state = await s.auth(
      ['m.room.create', ''],
      ['m.room.power_levels', ''],
      ['m.room.join_rules', ''],
      ['m.room.member', s.alice],
      ['m.room.member', bob],
    )
    pdus.push(...state.map(({ pdu }) => pdu))
    expect(await s.receive([after])).toEqual(['accepted'])
    expect(s.a.calls).toEqual(['getMissingEvents', 'getState'])
    // the late one is history of what is there: it is no new extremity
    expect(await s.receive([lost])).toEqual(['accepted'])
    const room = await s.a.current(s.room.id)
    expect(room.extremities.map(({ eventId }) => eventId)).toContain(after.eventId)
    expect(room.extremities.map(({ eventId }) => eventId)).not.toContain(lost.eventId)
  })

  test('an event whose previous events cannot be had is refused, after at most two calls', async () => {
    await using s = await scene(engine)
    const lost = await s.message('lost', [s.join])
    expect(await s.receive([await s.message('after', [lost])])).toEqual(['refused'])
    expect(s.a.calls.length).toBeLessThanOrEqual(2)
  })

  test('what builds on an event that is refused gets the state of the gap, and its own successors are taken with it', async () => {
    const pdus: JsonObject[] = []
    await using s = await scene(engine, '11', { getState: async () => ({ pdus, authChain: [] }) })
    // a create event without predecessors is none of this room: it is not stored
    const other = remoteEvent(s.room.version, {
      roomId: s.room.id,
      sender: bob,
      type: 'm.room.create',
      stateKey: '',
      content: { room_version: '11' },
      prev: [],
      auth: [],
    })
    const after = await s.message('after', [s.join, other])
    const later = await s.message('later', [after])
    const state = await s.auth(
      ['m.room.create', ''],
      ['m.room.power_levels', ''],
      ['m.room.join_rules', ''],
      ['m.room.member', s.alice],
      ['m.room.member', bob],
    )
    pdus.push(...state.map(({ pdu }) => pdu))
    expect(await s.receive([other, after, later])).toEqual(['refused', 'accepted', 'accepted'])
  })

  test('a second create event with predecessors is rejected and kept, so that others may build on it', async () => {
    await using s = await scene(engine)
    const second = remoteEvent(s.room.version, {
      roomId: s.room.id,
      sender: bob,
      type: 'm.room.create',
      stateKey: '',
      content: { room_version: '11' },
      prev: [s.join],
      auth: [],
    })
    const after = await s.message('after', [second, s.join])
    expect(await s.receive([second, after])).toEqual(['rejected', 'accepted'])
    expect(s.a.calls).toEqual([])
    const room = await s.a.current(s.room.id)
    expect(
      (await s.a.database.read((conn) => s.a.deps.roomCache.stateEvent(conn, room, 'm.room.create', '')))?.sender,
    ).toBe(s.alice)
  })

  test('events of a transaction are judged in its order', async () => {
    await using s = await scene(engine)
    const auth = await s.memberAuth()
    const first = await s.message('first', [s.join], { auth })
    const leave = remoteEvent(s.room.version, {
      roomId: s.room.id,
      sender: bob,
      type: 'm.room.member',
      stateKey: bob,
      content: { membership: 'leave' },
      prev: [first],
      auth,
    })
    // beside the leave, and sent after it
    const beside = await s.message('beside', [s.join], { auth })
    expect(await s.receive([first, leave, beside])).toEqual(['accepted', 'accepted', 'soft_failed'])
  })

  test('the ACL of the room keeps a server out', async () => {
    await using s = await scene(engine)
    const acl = { allow: ['*'], deny: ['b.test'], allow_ip_literals: false }
    await s.a.append(s.room.id, { type: 'm.room.server_acl', stateKey: '', content: acl, sender: s.alice })
    expect(await s.receive([await s.message('hello', [s.join])])).toEqual(['refused'])
  })

  test('what was staged before a crash is judged at the next start', async () => {
    await using s = await scene(engine)
    const message = await s.message('hello', [s.join])
    await s.a.database.write(async (tx) =>
      insertStaged(tx, [
        {
          originNid: await putServer(tx, b),
          roomId: s.room.id,
          eventId: message.eventId,
          sender: bob,
          json: message.text,
          receivedTs: 1,
        },
      ]),
    )
    await resumeStaged(s.a.deps)
    expect((await s.row(message.eventId))?.ord).toBeGreaterThan(0)
    expect(await s.a.database.read((conn) => listStagedRooms(conn))).toEqual([])
  })

  test('P3: what an erased person of another server sent and comes later is stored pruned, what comes after a return is whole', async () => {
    await using s = await scene(engine)
    const bobNid = (await s.a.database.read((conn) => s.a.deps.roomCache.userNid(conn, bob))) as number
    s.a.erased.set(bobNid, { erasedTs: 1_800_000_000_000 })
    const old = await s.message('from before', [s.join])
    expect(await s.receive([old])).toEqual(['accepted'])
    expect((await s.row(old.eventId))?.json).not.toContain('from before')
    const back = remoteEvent(s.room.version, {
      roomId: s.room.id,
      sender: bob,
      type: 'm.room.message',
      content: { body: 'I am back' },
      prev: [old],
      auth: await s.memberAuth(),
      ts: 1_800_000_000_001,
    })
    expect(await s.receive([back])).toEqual(['accepted'])
    expect((await s.row(back.eventId))?.json).toContain('I am back')
  })

  test("an erased person's topic stays while it is current, and is pruned when another replaces it", async () => {
    await using s = await scene(engine, '11', {}, { users: { '@alice:a.test': 100, [bob]: 50 } })
    const topic = remoteEvent(s.room.version, {
      roomId: s.room.id,
      sender: bob,
      type: 'm.room.topic',
      stateKey: '',
      content: { topic: 'written by bob' },
      prev: [s.join],
      auth: await s.memberAuth(),
    })
    const bobNid = (await s.a.database.read((conn) => s.a.deps.roomCache.userNid(conn, bob))) as number
    s.a.erased.set(bobNid, { erasedTs: 1_800_000_000_000 })
    expect(await s.receive([topic])).toEqual(['accepted'])
    expect((await s.row(topic.eventId))?.json).toContain('written by bob')
    await s.a.append(s.room.id, { type: 'm.room.topic', stateKey: '', content: { topic: 'new' }, sender: s.alice })
    expect((await s.row(topic.eventId))?.json).not.toContain('written by bob')
  })

  test('version 1: two branches that set the same place end with one of them, and both orders agree', async () => {
    const users = { users: { '@alice:a.test': 100, [bob]: 50 } }
    await using s = await scene(engine, '1', {}, users)
    const topicOf = async (text: string, auth: readonly RoomEvent[]) =>
      remoteEvent(s.room.version, {
        roomId: s.room.id,
        sender: bob,
        type: 'm.room.topic',
        stateKey: '',
        content: { topic: text },
        prev: [s.join],
        auth,
      })
    const auth = await s.memberAuth()
    const [one, two] = [await topicOf('one', auth), await topicOf('two', auth)]
    expect(await s.receive([one, two])).toEqual(['accepted', 'accepted'])
    const merge = await s.a.append(s.room.id, { type: 'm.room.message', content: { body: 'x' }, sender: s.alice })
    expect(merge.prevEventIds).toHaveLength(2)
    const [topic] = await s.auth(['m.room.topic', ''])
    expect([one.eventId, two.eventId]).toContain(topic?.eventId)
  })

  test('state events come as outliers, in any order, and a rejected one stays out', async () => {
    await using s = await scene(engine)
    const [create, levels, rules] = await s.auth(
      ['m.room.create', ''],
      ['m.room.power_levels', ''],
      ['m.room.join_rules', ''],
    )
    const carol: UserId = '@carol:c.test'
    const base = [create, levels] as RoomEvent[]
    const join = remoteEvent(s.room.version, {
      roomId: s.room.id,
      sender: carol,
      type: 'm.room.member',
      stateKey: carol,
      content: { membership: 'join' },
      prev: [s.join],
      auth: [...base, rules as RoomEvent],
    })
    const topic = remoteEvent(s.room.version, {
      roomId: s.room.id,
      sender: carol,
      type: 'm.room.topic',
      stateKey: '',
      content: { topic: 'not allowed' },
      prev: [join],
      auth: [...base, join],
    })
    expect(await s.receive([topic, join], 'state')).toEqual(['rejected', 'accepted'])
    const known = await s.a.database.read((conn) => listKnownEvents(conn, [join.eventId, topic.eventId]))
    expect(known.get(join.eventId)?.outlier).toBe(true)
    // and becomes part of the timeline properly
    expect(await s.receive([join])).toEqual(['accepted'])
    const row = await s.row(join.eventId)
    expect([row?.outlier, row?.state_before !== null, (row?.ord ?? 0) > 0]).toEqual([false, true, true])
    expect(await s.receive([topic])).toEqual(['rejected'])
  })
})
