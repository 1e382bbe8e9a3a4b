import { describe, expect, test } from 'vitest'
import type { RoomEvent } from '../../../src/protocol/event.ts'
import type { EventId, ServerName, UserId } from '../../../src/protocol/ids.ts'
import type { JsonObject } from '../../../src/protocol/json-types.ts'
import { listEvents, listEventsByIds } from '../../../src/store/events.ts'
import { listBackwardExtremities } from '../../../src/store/extremities.ts'
import { listMembers } from '../../../src/store/memberships.ts'
import { findSummary } from '../../../src/store/summaries.ts'
import { authChainOf } from '../../../src/rooms/auth-chain.ts'
import { installRemoteRoom } from '../../../src/rooms/install-remote-room.ts'
import { backfillPage, missingEventsFor } from '../../../src/rooms/missing-events.ts'
import { receive } from '../../../src/rooms/receive.ts'
import type { Room } from '../../../src/rooms/room.ts'
import { sendEvent } from '../../../src/rooms/send.ts'
import { currentStateEvents, stateGroupMap } from '../../../src/rooms/state.ts'
import type { TestEngine } from '../../support/engine.ts'
import { makeEngine, remoteEvent } from '../../support/engine.ts'
import { engines } from '../../support/store.ts'

const serverA = 'a.test' as ServerName
const bob: UserId = '@bob:b.test'

const parse = (text: string) => JSON.parse(text) as JsonObject

async function pdusOf(a: TestEngine, nids: readonly number[]): Promise<JsonObject[]> {
  const rows = await a.database.read((conn) => listEvents(conn, nids))
  return rows.map(({ json }) => parse(json))
}

/** The state before an event and its auth chain, as `/state` and `/state_ids` answer. */
async function stateOf(a: TestEngine, eventId: EventId) {
  return a.database.read(async (conn) => {
    const [row] = await listEventsByIds(conn, [eventId])
    const nids = [...(await stateGroupMap(a.deps, conn, row?.state_before ?? 0)).values()]
    return { nids, chain: await authChainOf(a.deps, conn, nids) }
  })
}

/** bob@b.test joins a room of a.test, as `make_join` and `send_join` do it. */
async function join(a: TestEngine, b: TestEngine, room: Room): Promise<{ room: Room; join: RoomEvent }> {
  const current = await a.current(room.id)
  const keys = [
    { type: 'm.room.create', stateKey: '' },
    { type: 'm.room.power_levels', stateKey: '' },
    { type: 'm.room.join_rules', stateKey: '' },
    { type: 'm.room.member', stateKey: bob },
  ]
  const auth = await a.database.read((conn) =>
    a.deps.roomCache.stateEvents(conn, current, room.version.roomIdIsCreateHash ? keys.slice(1) : keys),
  )
  const newest = await a.database.read((conn) =>
    listEventsByIds(
      conn,
      current.extremities.map(({ eventId }) => eventId),
    ),
  )
  const event = remoteEvent(room.version, {
    roomId: room.id,
    sender: bob,
    type: 'm.room.member',
    stateKey: bob,
    content: { membership: 'join' },
    prev: newest.map(({ event_id, depth }) => ({ eventId: event_id, depth }) as RoomEvent),
    auth: auth.filter((each) => each !== undefined),
  })
  const verdicts = await receive(a.deps, {
    door: 'send_join',
    origin: 'b.test' as ServerName,
    roomId: room.id,
    pdus: [event.pdu],
  })
  expect(verdicts[0]?.verdict).toBe('accepted')
  const { nids, chain } = await stateOf(a, event.eventId)
  const installed = await installRemoteRoom(b.deps, {
    version: room.version,
    roomId: room.id,
    origin: serverA,
    stateEvents: await pdusOf(a, nids),
    authChain: await pdusOf(a, chain),
    joinEvent: event,
  })
  return { room: installed, join: event }
}

/** Answers of a.test, for b.test. */
function answersOf(a: () => TestEngine) {
  return {
    getStateIds: async (_: ServerName, _room: string, eventId: EventId) => {
      const { nids, chain } = await stateOf(a(), eventId)
      const ids = async (list: readonly number[]) =>
        (await a().database.read((conn) => listEvents(conn, list))).map((row) => row.event_id as EventId)
      return { pduIds: await ids(nids), authChainIds: await ids(chain) }
    },
    getEvent: async (_: ServerName, eventId: EventId) =>
      parse((await a().database.read((conn) => listEventsByIds(conn, [eventId])))[0]?.json ?? '{}'),
  }
}

describe.each(engines)('a room of another server on %s', (engine) => {
  test.each(['6', '11', '12'])('is joined, read back to its beginning, and goes on, in version %s', async (id) => {
    await using a = await makeEngine(engine)
    const b = await makeEngine(
      engine,
      'b.test',
      answersOf(() => a),
    )
    await b.user('bob')
    const alice = await a.user('alice')
    const made = await a.room(alice, { version: id })
    await a.append(made.id, { type: 'm.room.name', stateKey: '', content: { name: 'A room' }, sender: alice })
    const texts = Array.from({ length: 30 }, (_, i) => `message ${i}`)
    for (const body of texts)
      await a.append(made.id, { type: 'm.room.message', content: { body, msgtype: 'm.text' }, sender: alice })
    const { room } = await join(a, b, made)

    expect(room.hosts).toHaveLength(1)
    const [stateA, stateB] = await Promise.all([
      a.database.read(async (conn) => currentStateEvents(a.deps, conn, await a.current(made.id))),
      b.database.read((conn) => currentStateEvents(b.deps, conn, room)),
    ])
    expect(new Set(stateB.map(({ eventId }) => eventId))).toEqual(new Set(stateA.map(({ eventId }) => eventId)))
    expect(await b.database.read((conn) => listMembers(conn, room.nid, 'join'))).toHaveLength(2)
    expect((await b.database.read((conn) => findSummary(conn, room.nid)))?.name).toBe('A room')

    const sent = await sendEvent(b.deps, {
      roomId: room.id,
      draft: { type: 'm.room.message', content: { body: 'hi' }, sender: bob },
    })
    const [mine] = await b.database.read((conn) => listEventsByIds(conn, [sent.eventId]))
    const taken = await receive(a.deps, {
      door: 'send',
      origin: 'b.test' as ServerName,
      pdus: [parse(mine?.json ?? '')],
    })
    expect(taken[0]?.verdict).toBe('accepted')

    for (let round = 0; round < 10; round++) {
      const gaps = await b.database.read((conn) => listBackwardExtremities(conn, room.nid))
      if (gaps.length === 0) break
      const inA = await a.current(made.id)
      const page = await a.database.read((conn) =>
        backfillPage(
          conn,
          inA,
          gaps.map(({ eventId }) => eventId),
          12,
        ),
      )
      const verdicts = await receive(b.deps, {
        door: 'backfill',
        origin: serverA,
        roomId: room.id,
        pdus: await pdusOf(a, page),
      })
      expect(new Set(verdicts.map(({ verdict }) => verdict))).toEqual(new Set(['accepted']))
    }
    expect(await b.database.read((conn) => listBackwardExtremities(conn, room.nid))).toEqual([])
    const all = await a.database.read(async (conn) => backfillPage(conn, await a.current(made.id), [sent.eventId], 100))
    const ids = (await pdusOfInOrder(a, all)).reverse()
    const rows = await b.database.read((conn) => listEventsByIds(conn, ids))
    const byOrd = rows.filter(({ ord }) => ord !== null).sort((x, y) => (x.ord ?? 0) - (y.ord ?? 0))
    expect(byOrd.map(({ event_id }) => event_id)).toEqual(ids)
    await b[Symbol.asyncDispose]()
  })

  test('get_missing_events is served between two points, oldest first', async () => {
    await using a = await makeEngine(engine)
    const alice = await a.user('alice')
    const room = await a.room(alice)
    const sent: RoomEvent[] = []
    for (let i = 0; i < 6; i++)
      sent.push(await a.append(room.id, { type: 'm.room.message', content: { body: `${i}` }, sender: alice }))
    const ids = sent.map(({ eventId }) => eventId)
    const nids = await a.database.read((conn) =>
      missingEventsFor(conn, room, {
        earliest: [ids[1] as EventId],
        latest: [ids[5] as EventId],
        limit: 10,
        minDepth: 0,
      }),
    )
    expect(await pdusOfInOrder(a, nids)).toEqual(ids.slice(2, 5))
  })

  test('an answer without a create event, or that does not allow the join, makes no member', async () => {
    await using a = await makeEngine(engine)
    const b = await makeEngine(engine, 'b.test')
    await b.user('bob')
    const alice = await a.user('alice')
    const made = await a.room(alice)
    const create = await a.database.read((conn) => a.deps.roomCache.stateEvent(conn, made, 'm.room.create', ''))
    const event = remoteEvent(made.version, {
      roomId: made.id,
      sender: bob,
      type: 'm.room.member',
      stateKey: bob,
      content: { membership: 'join' },
      prev: [create as RoomEvent],
      auth: [create as RoomEvent],
    })
    const remote = { version: made.version, roomId: made.id, origin: serverA, authChain: [], joinEvent: event }
    await expect(installRemoteRoom(b.deps, { ...remote, stateEvents: [] })).rejects.toMatchObject({ status: 502 })
    await expect(installRemoteRoom(b.deps, { ...remote, stateEvents: [create?.pdu ?? {}] })).rejects.toMatchObject({
      status: 502,
    })
    const room = await b.current(made.id)
    expect(await b.database.read((conn) => listMembers(conn, room.nid, 'join'))).toEqual([])
    await b[Symbol.asyncDispose]()
  })
})

async function pdusOfInOrder(a: TestEngine, nids: readonly number[]): Promise<EventId[]> {
  const rows = new Map(
    (await a.database.read((conn) => listEvents(conn, nids))).map((row) => [row.event_nid, row.event_id as EventId]),
  )
  return nids.map((nid) => rows.get(nid) as EventId)
}
