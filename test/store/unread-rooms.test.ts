import { describe, expect, test } from 'vitest'
import type { RoomId, UserId } from '../../src/protocol/ids.ts'
import type { Tx } from '../../src/store/database.ts'
import { insertEventRun } from '../../src/store/events.ts'
import { sqlQuery, sqlRun } from '../../src/store/query.ts'
import { insertRoom } from '../../src/store/rooms.ts'
import { countUnreadOfRooms } from '../../src/store/unread-rooms.ts'
import type { UnreadCounts, UnreadRoom } from '../../src/store/unread-rooms.ts'
import { mainThread, mostCounted, ownEvents } from '../../src/store/unread.ts'
import { putUser } from '../../src/store/users.ts'
import { scale, seed } from '../support/scale.ts'
import { Seeded } from '../support/seeded.ts'
import { engines, makePlace } from '../support/store.ts'

interface PlainEvent {
  readonly room: number
  readonly sender: number
  readonly ord: number | null
  readonly thread: string | null
  readonly notified: number | null
  readonly redacted: number | null
  readonly pruned: number | null
}

const allEvents = sqlQuery<object, PlainEvent>(
  'test.listPlainEvents',
  `select room_nid as room, sender_nid as sender, ord, thread_id as thread, notify_ord as notified, redacted_by as redacted,
     pruned_ts as pruned from events order by event_nid`,
)
const redact = sqlRun<{ nid: number }>(
  'test.redact',
  'update events set redacted_by = event_nid where event_nid = :nid',
)

/** What `countUnreadOfRooms` says of one room, read off all events. */
function countPlainly(
  events: readonly PlainEvent[],
  userNid: number,
  [roomNid, base, given]: UnreadRoom,
  silent: readonly number[],
): UnreadCounts {
  const inRoom = events.filter(({ room }) => room === roomNid)
  const own = new Map<string, number>()
  const mine = inRoom.filter(({ sender, ord }) => sender === userNid && ord !== null && ord > 0).slice(-ownEvents)
  for (const { thread, ord } of mine)
    own.set(thread ?? mainThread, Math.max(own.get(thread ?? mainThread) ?? 0, Number(ord)))
  const byThread = new Map([[mainThread, 0]])
  for (const { sender, ord, thread, notified, redacted, pruned } of inRoom) {
    if (ord === null || notified === null || redacted !== null || pruned !== null || silent.includes(sender)) continue
    const name = thread ?? mainThread
    const floors = given.filter(([floor]) => floor === name).map(([, floor]) => floor)
    if (ord > Math.max(base, own.get(name) ?? 0, ...floors)) byThread.set(name, (byThread.get(name) ?? 0) + 1)
  }
  byThread.set(mainThread, Math.min(byThread.get(mainThread) ?? 0, mostCounted + 1))
  return { byThread, own }
}

/** Events of a room, most of them messages that notify, some outside the timeline, pruned or redacted. */
async function fill(
  tx: Tx,
  random: Seeded,
  roomNid: number,
  users: readonly number[],
  threads: readonly string[],
  count: number,
) {
  const rows = Array.from({ length: count }, (_, i) => ({
    event_id: `$${roomNid}-${i}`,
    room_nid: roomNid,
    type: 'm.room.message',
    state_key_nid: null,
    // the first is seldom heard
    sender_nid: random.chance(0.1) ? (users[0] as number) : random.pick(users),
    origin_server_ts: i,
    depth: i,
    ord: random.chance(0.05) ? null : i - 5,
    writer: 1,
    pos: i,
    state_before: null,
    state_after: null,
    outlier: false,
    rejected: null,
    soft_failed: false,
    backfilled: false,
    partial_state: false,
    local: true,
    pruned_ts: random.chance(0.1) ? 7 : null,
    thread_id: random.chance(0.3) ? random.pick(threads) : null,
    notify_ord: random.chance(0.8) ? i : null,
    auth_edges: null,
    received_ts: i,
    json: '{}',
  }))
  for (const nid of await insertEventRun(tx, rows)) if (random.chance(0.1)) await redact(tx, { nid })
}

describe.each(engines)('unread counts of rooms read together, on %s', (engine) => {
  test('are what all events of each room say', { timeout: 120_000 }, async () => {
    for (let run = 0; run < scale(3, 40); run++) {
      const from = seed(80_000) + run
      const random = new Seeded(from)
      await using place = await makePlace(engine)
      const database = await place.open()
      const threads = ['$thread-a', '$thread-b', '$thread-c']
      // in the largest more are unread than are counted
      const sizes = [10, 60, 200, 1_800, 0]
      const [users, rooms] = await database.write(async (tx) => {
        const made: number[] = []
        for (let i = 0; i < 6; i++) made.push(await putUser(tx, `@u${i}:a.test` as UserId))
        const roomNids: number[] = []
        for (const [i, count] of sizes.entries()) {
          const nid = await insertRoom(tx, { roomId: `!${i}:a.test` as RoomId, version: '11', partialState: false })
          roomNids.push(nid as number)
          await fill(tx, random, nid as number, made.slice(random.below(2)), threads, count)
        }
        return [made, roomNids] as const
      })
      await database.read(async (conn) => {
        const events = await allEvents(conn)
        for (const userNid of users)
          for (let i = 0; i < 5; i++) {
            const asked = random.shuffled(rooms).map((nid): UnreadRoom => {
              const size = sizes[rooms.indexOf(nid)] as number
              const named = random.shuffled([mainThread, ...threads]).slice(0, random.below(5))
              return [
                nid,
                random.chance(0.5) ? 0 : random.below(size + 1),
                named.map((thread) => [thread, random.below(size + 1)]),
              ]
            })
            const silent = users.filter((nid) => nid === userNid || random.chance(0.2))
            const together = await countUnreadOfRooms(conn, userNid, asked, silent)
            for (const room of asked)
              expect(together.get(room[0]), `seed ${from}`).toEqual(countPlainly(events, userNid, room, silent))
          }
      })
    }
  })
})
