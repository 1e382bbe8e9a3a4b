import { expect, test } from 'vitest'
import { endpoints } from '../../src/http/federation/timestamp-to-event.ts'
import type { RoomEvent } from '../../src/protocol/event.ts'
import type { UserId } from '../../src/protocol/ids.ts'
import { eventAtTime, type TimeDirection } from '../../src/rooms/event-at-time.ts'
import { putUser } from '../../src/store/users.ts'
import { Federated } from '../support/federated.ts'

const bob: UserId = '@bob:in.test'

async function world() {
  const fed = await Federated.make(endpoints)
  const alice = await fed.engine.user('alice')
  const stranger = await fed.engine.user('stranger')
  const room = await fed.engine.room(alice)
  await fed.join(room, bob)
  const start = Date.now() + 1_000_000
  const said: RoomEvent[] = []
  for (let i = 0; i < 300; i++) {
    said.push(
      await fed.engine.append(room.id, {
        type: 'm.room.message',
        content: { body: `${i}` },
        sender: alice,
        ts: start + i * 1000,
      }),
    )
  }
  const ask = (ts: number, dir: string, from = 'in.test') =>
    fed.ask(from, 'GET', `/_matrix/federation/v1/timestamp_to_event/${encodeURIComponent(room.id)}?ts=${ts}&dir=${dir}`)
  const find = async (user: UserId, ts: number, direction: TimeDirection) => {
    const userNid = await fed.engine.database.write((tx) => putUser(tx, user))
    return eventAtTime(fed.deps, { kind: 'user', userNid, userId: user }, room.id, ts, direction)
  }
  return { alice, stranger, start, said, ask, find, [Symbol.asyncDispose]: () => fed[Symbol.asyncDispose]() }
}

test('the nearest event in the direction asked for, at every place of the room', async () => {
  await using w = await world()
  for (const i of [0, 1, 77, 150, 298, 299]) {
    const at = w.start + i * 1000
    expect((await w.find(w.alice, at, 'f')).eventId).toBe(w.said[i]?.eventId)
    expect((await w.find(w.alice, at, 'b')).eventId).toBe(w.said[i]?.eventId)
    expect((await w.find(w.alice, at + 1, 'b')).eventId).toBe(w.said[i]?.eventId)
    expect((await w.find(w.alice, at - 1, 'f')).eventId).toBe(w.said[i]?.eventId)
  }
  const answer = await w.ask(w.start + 5500, 'f')
  expect(answer).toEqual({ status: 200, json: { event_id: w.said[6]?.eventId, origin_server_ts: w.start + 6000 } })
})

test('beyond the ends 404; for those outside 403; nonsense 400', async () => {
  await using w = await world()
  expect(await w.ask(w.start + 1e9, 'f')).toMatchObject({ status: 404, json: { errcode: 'M_NOT_FOUND' } })
  expect(await w.ask(0, 'b')).toMatchObject({ status: 404 })
  expect(await w.ask(w.start, 'f', 'out.test')).toMatchObject({ status: 403, json: { errcode: 'M_FORBIDDEN' } })
  await expect(w.find(w.stranger, w.start, 'f')).rejects.toMatchObject({ errcode: 'M_FORBIDDEN' })
  expect(await w.ask(w.start, 'x')).toMatchObject({ status: 400 })
})
