import { describe, expect, test } from 'vitest'
import type { EventId, RoomId, UserId } from '../../src/protocol/ids.ts'
import type { Tx } from '../../src/store/database.ts'
import { insertEventRun, listEvents, putCurrentAfter } from '../../src/store/events.ts'
import type { EventRow } from '../../src/store/events.ts'
import { sqlQuery, sqlRun } from '../../src/store/query.ts'
import { listReadRows, listTimelineBack, listTimelineForward } from '../../src/store/read-rows.ts'
import type { ReadRow } from '../../src/store/read-rows.ts'
import { insertRelation } from '../../src/store/relations.ts'
import { insertRoom } from '../../src/store/rooms.ts'
import { listChangedRows, listTimelineMarks } from '../../src/store/row-marks.ts'
import { putUser } from '../../src/store/users.ts'
import { scale, seed } from '../support/scale.ts'
import { Seeded } from '../support/seeded.ts'
import { engines, makePlace } from '../support/store.ts'

const redact = sqlRun<{ nid: number; by: number }>(
  'test.redactRow',
  'update events set redacted_by = :by where event_nid = :nid',
)
const allParents = sqlQuery<object, { parent: string }>(
  'test.listParents',
  'select parent_event_id as parent from relations',
)

/** Texts that a column may hold, those that PostgreSQL or JSON would not take as they are among them. */
const texts = ['', 'a', '"', '\\', '\0', '\u{FFFF}0000', '\uD800', 'é', '\u2028', '[1,null]'] as const

async function fill(tx: Tx, random: Seeded, roomNid: number, users: readonly number[], count: number) {
  const maybe = (value: number) => (random.chance(0.2) ? value : null)
  const rows = Array.from({ length: count }, (_, i) => {
    const before = random.chance(0.1) ? null : random.below(5) + 1
    return {
      event_id: `$${roomNid}-${i}${random.chance(0.1) ? random.pick(texts) : ''}`,
      room_nid: roomNid,
      type: random.chance(0.2) ? `t${random.pick(texts)}` : 'm.room.message',
      state_key_nid: maybe(7),
      sender_nid: random.pick(users),
      origin_server_ts: random.below(2) * Number.MAX_SAFE_INTEGER,
      depth: i,
      ord: random.chance(0.1) ? null : i - 3,
      writer: 1,
      pos: i,
      state_before: before,
      state_after: random.chance(0.7) ? before : (maybe(9) ?? before),
      outlier: false,
      rejected: random.chance(0.2) ? random.pick(texts) : null,
      soft_failed: random.chance(0.2),
      backfilled: random.chance(0.2),
      partial_state: false,
      local: random.chance(0.5),
      pruned_ts: maybe(Number.MAX_SAFE_INTEGER),
      thread_id: null,
      notify_ord: null,
      auth_edges: null,
      received_ts: i,
      json: `{"content":{"body":${JSON.stringify(random.pick(texts))}}}`,
    }
  })
  const nids = await insertEventRun(tx, rows)
  for (const [i, nid] of nids.entries()) {
    if (random.chance(0.2)) await putCurrentAfter(tx, nid, random.below(9))
    if (random.chance(0.2)) await redact(tx, { nid, by: random.pick(nids) })
    if (random.chance(0.2))
      await insertRelation(tx, {
        eventNid: nid,
        roomNid,
        parent: random.pick(rows).event_id as EventId,
        relType: 'm.reference',
        key: null,
        senderNid: rows[i]?.sender_nid as number,
      })
  }
  return nids
}

const keys = [
  'event_nid',
  'event_id',
  'type',
  'state_key_nid',
  'sender_nid',
  'origin_server_ts',
  'ord',
  'writer',
  'pos',
  'state_before',
  'state_after',
  'current_after',
  'rejected',
  'soft_failed',
  'backfilled',
  'local',
  'redacted_by',
  'pruned_ts',
  'json',
] as const satisfies readonly (keyof EventRow & keyof ReadRow)[]

const plain = (row: EventRow) => Object.fromEntries(keys.map((key) => [key, row[key]]))

describe.each(engines)('rows to show, on %s', (engine) => {
  test('they are what the columns hold, by row id and by timeline, and marks say the same', async () => {
    for (let run = 0; run < scale(3, 40); run++) {
      await using place = await makePlace(engine)
      const database = await place.open()
      const random = new Seeded(seed(80_500) + run)
      const { rooms, nids } = await database.write(async (tx) => {
        const users: number[] = []
        for (const name of ['a', 'b']) users.push(await putUser(tx, `@${name}:x` as UserId))
        const made: number[] = []
        const ids: number[] = []
        for (const name of ['one', 'two', 'empty']) {
          const id = `!${name}:x` as RoomId
          const roomNid = (await insertRoom(tx, { roomId: id, version: '11', partialState: false })) as number
          made.push(roomNid)
          if (name !== 'empty') ids.push(...(await fill(tx, random, roomNid, users, 40)))
        }
        return { rooms: made, nids: ids }
      })
      await database.read(async (conn) => {
        const stored = await listEvents(conn, nids)
        const byNid = new Map(stored.map((row) => [row.event_nid, row]))
        const some = nids.filter(() => random.chance(0.5))
        for (const row of await listReadRows(conn, some))
          expect(row).toEqual(plain(byNid.get(row.event_nid) as EventRow))
        expect(await listReadRows(conn, some)).toHaveLength(some.length)
        const isChanged = ({ ord, redacted_by: by, pruned_ts: ts }: EventRow) =>
          ord === null || by !== null || ts !== null
        const changed = some.filter((nid) => isChanged(byNid.get(nid) as EventRow))
        expect(await listChangedRows(conn, some)).toEqual(new Set(changed))

        const relations = new Set((await allParents(conn)).map(({ parent }) => parent))
        const tops = rooms.map((nid) => [nid, random.below(45) - 5] as const)
        const most = 1 + random.below(20)
        const marks = await listTimelineMarks(conn, tops, most)
        for (const [roomNid, ord] of tops) {
          const timeline = stored
            .filter((row) => row.room_nid === roomNid && row.ord !== null)
            .toSorted((a, b) => (a.ord as number) - (b.ord as number))
          const shown = (row: EventRow) => ({ ...plain(row), has_children: relations.has(row.event_id) })
          const back = timeline.filter((row) => (row.ord as number) <= ord).slice(-most)
          expect(await listTimelineBack(conn, roomNid, ord, most)).toEqual(back.toReversed().map(shown))
          const forward = timeline.filter((row) => (row.ord as number) > ord).slice(0, most)
          expect(await listTimelineForward(conn, roomNid, ord, most)).toEqual(forward.map(shown))
          const marked = (marks.get(roomNid) ?? []).toSorted((a, b) => a.eventNid - b.eventNid)
          expect(marked).toEqual(
            back
              .map((row) => ({
                eventNid: row.event_nid,
                isWhole: row.redacted_by === null && row.pruned_ts === null,
                hasChildren: relations.has(row.event_id),
              }))
              .toSorted((a, b) => a.eventNid - b.eventNid),
          )
        }
      })
    }
  })
})
