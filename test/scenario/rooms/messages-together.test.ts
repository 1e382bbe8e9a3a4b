import { describe, expect, test } from 'vitest'
import { canonicalJson } from '../../../src/protocol/canonical-json.ts'
import type { MatrixError } from '../../../src/protocol/errors.ts'
import { checkContentHash, eventIdOf } from '../../../src/protocol/hash.ts'
import type { EventId, RoomId, UserId } from '../../../src/protocol/ids.ts'
import type { JsonObject } from '../../../src/protocol/json-types.ts'
import { eventFromStored } from '../../../src/protocol/parse-event.ts'
import { verifyEventSignature } from '../../../src/protocol/sign.ts'
import type { Draft } from '../../../src/rooms/build.ts'
import type { Appended, RoomsDeps } from '../../../src/rooms/deps.ts'
import type { Room } from '../../../src/rooms/room.ts'
import { sendEvent } from '../../../src/rooms/send.ts'
import { putAccountDeactivated } from '../../../src/store/accounts.ts'
import { listForwardExtremities } from '../../../src/store/extremities.ts'
import { sqlQuery } from '../../../src/store/query.ts'
import { findSummary } from '../../../src/store/summaries.ts'
import type { TestEngine } from '../../support/engine.ts'
import { makeEngine, testKey } from '../../support/engine.ts'
import { Seeded } from '../../support/seeded.ts'
import { engines } from '../../support/store.ts'

const eventsOf = sqlQuery<{ roomNid: number; ord: number }, Record<string, unknown>>(
  'test.eventsOf',
  `select * from events where room_nid = :roomNid and ord >= :ord order by event_nid`,
)
const mediaOf = sqlQuery<{ roomNid: number }, { ord: number; media_id: string }>(
  'test.mediaOf',
  `select e.ord as ord, m.media_id as media_id from event_media m join events e on e.event_nid = m.event_nid
   where e.room_nid = :roomNid order by e.ord, m.media_id`,
)
const sentOf = sqlQuery<{ roomNid: number }, { ord: number; txn_id: string; device_id: string }>(
  'test.sentOf',
  `select e.ord as ord, t.txn_id as txn_id, t.device_id as device_id from event_transactions t
   join events e on e.event_nid = t.event_nid where e.room_nid = :roomNid order by e.ord`,
)

/** Drafts in the order in which they came to be in the room. */
async function inOrder(a: TestEngine, { nid, nextOrd }: Room, drafts: readonly Draft[]): Promise<Draft[]> {
  const rows = await a.database.read((conn) => eventsOf(conn, { roomNid: nid, ord: nextOrd }))
  const draftOf = new Map(drafts.map((draft) => [canonicalJson(draft.content), draft]))
  return rows.map(
    ({ json }) => draftOf.get(canonicalJson((JSON.parse(String(json)) as JsonObject).content as JsonObject)) as Draft,
  )
}

/** Columns that differ where the room is another one. */
const ofOneRoom = new Set([
  'event_nid',
  'event_id',
  'room_nid',
  'pos',
  'received_ts',
  'state_before',
  'state_after',
  'json',
])

/** What is stored of messages after a moment of a room, as far as it is the same in another room; and that it is right. */
async function storedIn(a: TestEngine, before: Room, seen: readonly Appended[]) {
  const after = await a.current(before.id)
  return a.database.read(async (conn) => {
    const rows = await eventsOf(conn, { roomNid: before.nid, ord: before.nextOrd })
    const positions = rows.map(({ pos }) => Number(pos))
    expect(positions).toEqual([...positions].sort((x, y) => x - y))
    const ids = rows.map(({ event_id: id }) => id)
    const events = rows.map((row, i) => {
      const event = eventFromStored(before.version, String(row.event_id) as EventId, before.id, String(row.json))
      expect(verifyEventSignature(event, 'a.test', key.keyId, key.publicKey)).toBe(true)
      expect([event.eventId, checkContentHash(event)]).toEqual([eventIdOf(before.version, event.pdu), undefined])
      expect([row.state_before, row.state_after]).toEqual([before.currentGroup, before.currentGroup])
      expect(event.authEventIds).toHaveLength(3)
      expect(event.prevEventIds).toEqual(i === 0 ? before.extremities.map(({ eventId }) => eventId) : [ids[i - 1]])
      const { content, depth, originServerTs, sender, type } = event
      const comparable = Object.entries(row).filter(([name]) => !ofOneRoom.has(name))
      return [
        Object.fromEntries(comparable),
        Number(row.ord) - before.nextOrd,
        { content, depth, originServerTs, sender, type },
      ]
    })
    const { room_nid: _nid, pos: _pos, creator: _creator, ...summary } = (await findSummary(conn, before.nid)) ?? {}
    expect(after.extremities.map(({ eventId }) => eventId)).toEqual([ids.at(-1)])
    expect(await listForwardExtremities(conn, before.nid)).toEqual(after.extremities)
    expect(after.lastLocalNid).toBe(rows.at(-1)?.event_nid)
    return {
      events,
      summary,
      media: await mediaOf(conn, { roomNid: before.nid }),
      notified: seen
        .filter(({ room }) => room.id === before.id)
        .map(({ event, eventNid, ord, threadId, notifyOrd }) => {
          expect(event.eventId).toBe(ids[ord - before.nextOrd])
          expect(eventNid).toBe(rows[ord - before.nextOrd]?.event_nid)
          return [ord, threadId, notifyOrd, event.content]
        }),
      counts: [after.nextOrd, after.notifying, after.currentGroup === before.currentGroup],
    }
  })
}

type Kind = (i: number) => readonly [type: string, content: JsonObject]
const kinds: readonly Kind[] = [
  (i) => ['m.room.message', { msgtype: 'm.text', body: `words ${i}` }],
  (i) => ['m.room.message', { msgtype: 'm.notice', body: `notice ${i}` }],
  (i) => ['m.room.message', { msgtype: 'm.image', body: `${i}`, url: `mxc://a.test/picture${i}` }],
  (i) => ['m.room.encrypted', { ciphertext: `${i}`, algorithm: 'm.megolm.v1.aes-sha2' }],
  (i) => ['org.example.custom', { number: i, text: 'A'.repeat(86) }],
  (i) => [
    'm.sticker',
    { body: `${i} "quoted" \u2028 \ud83d\ude00`, signatures: { 'a.test': { 'ed25519:t': 'A'.repeat(86) } } },
  ],
]

/** A room of version 11 (or another) that all are in. */
async function preparedRoom(a: TestEngine, users: readonly UserId[], version = '11'): Promise<Room> {
  const [creator, ...others] = users as [UserId, ...UserId[]]
  const { id } = await a.room(creator, { version })
  for (const user of others)
    await a.append(id, { type: 'm.room.member', stateKey: user, content: { membership: 'join' }, sender: user })
  return a.current(id)
}

const key = testKey('a.test')

describe.each(engines)('messages that are sent together, on %s', (engine) => {
  test('are stored as those that are sent one by one', async () => {
    await using a = await makeEngine(engine)
    const seen: Appended[] = []
    const deps = a.deps as { -readonly [K in keyof RoomsDeps]: RoomsDeps[K] }
    const random = new Seeded(20261123)
    for (let round = 0; round < 5; round++) {
      const users = [await a.user(`alice${round}`), await a.user(`bob${round}`), await a.user(`carol${round}`)] as const
      const [together, alone] = [await preparedRoom(a, users), await preparedRoom(a, users)]
      const count = 2 + random.below(80)
      const drafts = Array.from({ length: count }, (_, i): Draft => {
        // the last one moves the room up in lists, or does not
        const kind = i < count - 1 ? random.pick(kinds) : (kinds[round % 2 === 0 ? 0 : 4] as Kind)
        const [type, content] = kind(i)
        const sender = random.pick(users)
        return { type, content, sender, ts: 1_700_000_000_000 + random.below(1000) }
      })
      seen.length = 0
      deps.notify = async (_tx, appended) => void seen.push(appended)
      await Promise.all(drafts.map((draft) => sendEvent(deps, { roomId: together.id, draft })))
      for (const draft of await inOrder(a, together, drafts)) await a.append(alone.id, draft)
      const [ofTogether, ofAlone] = [await storedIn(a, together, seen), await storedIn(a, alone, seen)]
      expect(ofTogether).toEqual(ofAlone)
      expect(ofTogether.events).toHaveLength(drafts.length)
    }
  })

  test('are each judged by themselves: what is refused, or was sent before, is no predecessor of others', async () => {
    await using a = await makeEngine(engine)
    const users = [await a.user('alice'), await a.user('bob'), await a.user('stranger')] as const
    const [alice, bob, stranger] = users
    const [first, second] = [await preparedRoom(a, [alice, bob]), await preparedRoom(a, [alice, bob], '1')]
    const text = (body: string): JsonObject => ({ msgtype: 'm.text', body })
    const send = (roomId: RoomId, sender: UserId, body: string, txnId: string) =>
      sendEvent(a.deps, {
        roomId,
        draft: { type: 'm.room.message', content: text(body), sender },
        transaction: { deviceId: 'D', txnId },
      })
    const earlier = await send(first.id, alice, 'earlier', 'before')
    const results = await Promise.allSettled([
      send(first.id, alice, 'one', 't1'),
      send(first.id, stranger, 'not a member', 't2'),
      send(first.id, alice, 'again', 'before'),
      send(second.id, alice, 'an old room', 't4'),
      send(first.id, bob, 'x'.repeat(70_000), 't5'),
      send(first.id, bob, 'two', 't6'),
      send(second.id, bob, 'an old room too', 't7'),
      send(first.id, bob, 'two', 't6'),
    ])
    const outcome = results.map((result) =>
      result.status === 'fulfilled' ? result.value.eventId : (result.reason as MatrixError).errcode,
    )
    expect(outcome[1]).toBe('M_FORBIDDEN')
    expect(outcome[2]).toBe(earlier.eventId)
    expect(outcome[4]).toBe('M_TOO_LARGE')
    expect(outcome[7]).toBe(outcome[5])
    await a.database.read(async (conn) => {
      const bodies = async (room: Room) =>
        (await eventsOf(conn, { roomNid: room.nid, ord: room.nextOrd })).map(
          ({ json }) => (JSON.parse(String(json)) as { content: { body: string } }).content.body,
        )
      expect(await bodies(first)).toEqual(['earlier', 'one', 'two'])
      expect((await bodies(second)).toSorted()).toEqual(['an old room', 'an old room too'])
      expect((await sentOf(conn, { roomNid: first.nid })).map(({ txn_id: id }) => id)).toEqual(['before', 't1', 't6'])
    })
    expect((await a.current(first.id)).extremities).toHaveLength(1)
  })

  test('do not share a fault: one that cannot be stored fails alone', async () => {
    await using a = await makeEngine(engine)
    const [alice, bob] = [await a.user('alice'), await a.user('bob')]
    const room = await preparedRoom(a, [alice, bob])
    const deps = a.deps as { -readonly [K in keyof RoomsDeps]: RoomsDeps[K] }
    deps.notify = async (_tx, { event }) => {
      if (event.content.body === '7') throw new TypeError('on purpose')
    }
    const sent = await Promise.allSettled(
      Array.from({ length: 20 }, (_, i) =>
        sendEvent(deps, {
          roomId: room.id,
          draft: { type: 'm.room.message', content: { body: `${i}` }, sender: alice },
        }),
      ),
    )
    expect(sent.map(({ status }) => status)).toEqual(
      Array.from({ length: 20 }, (_, i) => (i === 7 ? 'rejected' : 'fulfilled')),
    )
    const after = await a.current(room.id)
    expect([after.nextOrd, after.extremities.length]).toEqual([room.nextOrd + 19, 1])
  })

  test('are refused to an account that is locked or gone by then', async () => {
    await using a = await makeEngine(engine)
    const [alice, bob] = [await a.user('alice'), await a.user('bob')]
    const room = await preparedRoom(a, [alice, bob])
    const message = (sender: UserId, body: string) =>
      sendEvent(a.deps, { roomId: room.id, draft: { type: 'm.room.message', content: { body }, sender } })
    const bobNid = await a.database.read((conn) => a.deps.roomCache.userNid(conn, bob))
    const gone = a.database.write((tx) => putAccountDeactivated(tx, bobNid as number, 1))
    const results = await Promise.allSettled([gone, message(alice, '1'), message(bob, '2'), message(alice, '3')])
    expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled', 'rejected', 'fulfilled'])
    expect((results[2] as PromiseRejectedResult).reason).toMatchObject({ errcode: 'M_USER_DEACTIVATED' })
  })
})
