import { describe, expect, test } from 'vitest'
import type { MatrixError } from '../../../src/protocol/errors.ts'
import type { EventId, RoomId } from '../../../src/protocol/ids.ts'
import { deleteOldTransactions } from '../../../src/store/event-transactions.ts'
import { findEventById } from '../../../src/store/events.ts'
import { findMembership } from '../../../src/store/memberships.ts'
import { findNotifyOrdAt } from '../../../src/store/unread.ts'
import { findSummary } from '../../../src/store/summaries.ts'
import { listForwardExtremities } from '../../../src/store/extremities.ts'
import { appendLocal } from '../../../src/rooms/append-local.ts'
import { sendEvent } from '../../../src/rooms/send.ts'
import type { TestEngine } from '../../support/engine.ts'
import { makeEngine } from '../../support/engine.ts'
import { engines, makePlace } from '../../support/store.ts'

const errcode = (code: string) => (error: MatrixError) => error.errcode === code

describe.each(engines)('local events on %s', (engine) => {
  test.each(['1', '2', '3', '6', '8', '10', '11', '12'])(
    'a room of version %s takes joins, messages, kicks and redactions',
    async (id) => {
      await using a = await makeEngine(engine)
      const alice = await a.user('alice')
      const bob = await a.user('bob')
      const room = await a.room(alice, { version: id })
      await a.append(room.id, { type: 'm.room.member', stateKey: bob, content: { membership: 'join' }, sender: bob })
      const message = await a.append(room.id, {
        type: 'm.room.message',
        content: { body: 'secret words' },
        sender: bob,
      })
      await a.append(room.id, { type: 'm.room.redaction', content: {}, sender: alice, redacts: message.eventId })
      await a.append(room.id, { type: 'm.room.member', stateKey: bob, content: { membership: 'leave' }, sender: alice })
      await expect(
        a.append(room.id, { type: 'm.room.message', content: { body: 'x' }, sender: bob }),
      ).rejects.toSatisfy(errcode('M_FORBIDDEN'))
      await a.database.read(async (conn) => {
        const row = await findEventById(conn, message.eventId)
        expect(row?.json).not.toContain('secret words')
        expect(row?.redacted_by).not.toBeNull()
        expect((await findSummary(conn, room.nid))?.joined_count).toBe(1)
        const bobNid = await a.deps.roomCache.userNid(conn, bob)
        expect((await findMembership(conn, bobNid as number, room.nid))?.membership).toBe('leave')
        const extremities = await listForwardExtremities(conn, room.nid)
        expect(extremities).toHaveLength(1)
        const fresh = await a.current(room.id)
        expect(fresh.extremities).toEqual(extremities)
      })
    },
  )

  test('a thousand parallel messages make one line, in which nothing is lost', async () => {
    await using a = await makeEngine(engine)
    const alice = await a.user('alice')
    const room = await a.room(alice)
    const sent = await Promise.all(
      Array.from({ length: 1000 }, (_, i) =>
        sendEvent(a.deps, {
          roomId: room.id,
          draft: { type: 'm.room.message', content: { body: `${i}`, msgtype: 'm.text' }, sender: alice },
        }),
      ),
    )
    expect(new Set(sent.map(({ eventId }) => eventId)).size).toBe(1000)
    const after = await a.current(room.id)
    expect(after.extremities).toHaveLength(1)
    expect(after.nextOrd).toBe(room.nextOrd + 1000)
    expect(after.extremities[0]?.depth).toBe(1000 + (room.extremities[0]?.depth ?? 0))
    expect(await a.database.read((conn) => findNotifyOrdAt(conn, room.nid, after.nextOrd))).toBe(1000)
  })

  test('50 parallel retries of one transaction id give one event', async () => {
    await using a = await makeEngine(engine)
    const alice = await a.user('alice')
    const room = await a.room(alice)
    const request = {
      roomId: room.id,
      draft: { type: 'm.room.message', content: { body: 'once' }, sender: alice },
      transaction: { deviceId: 'D', txnId: 't1' },
    }
    const sent = await Promise.all(Array.from({ length: 50 }, () => sendEvent(a.deps, request)))
    expect(new Set(sent.map(({ eventId }) => eventId)).size).toBe(1)
    expect((await a.current(room.id)).nextOrd).toBe(room.nextOrd + 1)
  })

  test('a transaction id counts for its room, its type and, of a redaction, its target', async () => {
    await using a = await makeEngine(engine)
    const alice = await a.user('alice')
    const [first, second] = [await a.room(alice), await a.room(alice)]
    const transaction = { deviceId: 'D', txnId: 't1' }
    const send = async (roomId: RoomId, type: string, redacts?: EventId) => {
      const draft = { type, content: { body: 'x' }, sender: alice, redacts }
      return (await sendEvent(a.deps, { roomId, draft, transaction })).eventId
    }
    const one = await send(first.id, 'm.room.message')
    const two = await send(second.id, 'm.room.message')
    const sent = [one, two, await send(first.id, 'm.test')]
    const third = await send(first.id, 'm.room.redaction', one)
    const fourth = await send(first.id, 'm.room.redaction', sent[2])
    expect(new Set([...sent, third, fourth]).size).toBe(5)
    expect(await send(first.id, 'm.room.message')).toBe(one)
    expect(await send(first.id, 'm.room.redaction', one)).toBe(third)
    expect(await send(first.id, 'm.room.redaction', sent[2])).toBe(fourth)
    // after two days it is a new request
    while ((await a.database.write((tx) => deleteOldTransactions(tx, a.deps.clock.now() + 1))) > 0);
    expect(await send(first.id, 'm.room.message')).not.toBe(one)
  })

  test('a write that fails leaves the room as it was for the next of its batch', async () => {
    await using a = await makeEngine(engine)
    const alice = await a.user('alice')
    const room = await a.room(alice)
    const message = (body: string) => ({ type: 'm.room.message', content: { body }, sender: alice })
    const failing = a.database.write(async (tx) => {
      await appendLocal(tx, a.deps, await a.deps.roomCache.forWrite(tx, room.id), message('lost'))
      throw new Error('on purpose')
    })
    const results = await Promise.allSettled([
      a.append(room.id, message('1')),
      failing,
      a.append(room.id, message('2')),
    ])
    expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled'])
    const after = await a.current(room.id)
    expect(after.nextOrd).toBe(room.nextOrd + 2)
    expect(after.extremities).toHaveLength(1)
  })

  test('only who may redact redacts, and nobody redacts the create event', async () => {
    await using a = await makeEngine(engine)
    const [alice, bob] = [await a.user('alice'), await a.user('bob')]
    const room = await a.room(alice)
    await a.append(room.id, { type: 'm.room.member', stateKey: bob, content: { membership: 'join' }, sender: bob })
    const message = await a.append(room.id, { type: 'm.room.message', content: { body: 'stays' }, sender: alice })
    const redaction = { type: 'm.room.redaction', content: {}, sender: bob, redacts: message.eventId }
    await expect(sendEvent(a.deps, { roomId: room.id, draft: redaction })).rejects.toSatisfy(errcode('M_FORBIDDEN'))
    const create = await a.database.read((conn) => a.deps.roomCache.stateEvent(conn, room, 'm.room.create', ''))
    const ofCreate = { ...redaction, sender: alice, redacts: create?.eventId }
    await expect(sendEvent(a.deps, { roomId: room.id, draft: ofCreate })).rejects.toSatisfy(errcode('M_FORBIDDEN'))
  })
})

test.skipIf(!engines.includes('postgres'))(
  "two processes on one database write one line, and see each other's redactions",
  async () => {
    await using place = await makePlace('postgres')
    await using first = await makeEngine('postgres', 'a.test', {}, place)
    await using second = await makeEngine('postgres', 'a.test', {}, place)
    const alice = await first.user('alice')
    const room = await first.room(alice)
    const send = (engine: TestEngine, body: string) =>
      sendEvent(engine.deps, { roomId: room.id, draft: { type: 'm.room.message', content: { body }, sender: alice } })
    const sent = await Promise.all(Array.from({ length: 60 }, (_, i) => send(i % 2 === 0 ? first : second, `${i}`)))
    expect(new Set(sent.map(({ eventId }) => eventId)).size).toBe(60)
    for (const engine of [first, second]) {
      const after = await engine.current(room.id)
      expect(after.extremities).toHaveLength(1)
      expect(after.nextOrd).toBe(room.nextOrd + 60)
    }
    const topic = await first.append(room.id, {
      type: 'm.room.topic',
      stateKey: '',
      content: { topic: 'secret' },
      sender: alice,
    })
    const topicIn = (engine: TestEngine) =>
      engine.database.read(async (conn) =>
        engine.deps.roomCache.stateEvent(conn, await engine.deps.roomCache.get(conn, room.id), 'm.room.topic', ''),
      )
    expect((await topicIn(second))?.content).toEqual({ topic: 'secret' })
    await first.append(room.id, { type: 'm.room.redaction', content: {}, sender: alice, redacts: topic.eventId })
    expect((await topicIn(second))?.content).toEqual({})
  },
)
