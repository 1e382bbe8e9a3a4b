import { describe, expect, test } from 'vitest'
import type { EventId, RoomId } from '../../../src/protocol/ids.ts'
import { readRows, readTimelines } from '../../../src/rooms/known-rows.ts'
import type { KnownRow } from '../../../src/rooms/row-memory.ts'
import type { Conn } from '../../../src/store/database.ts'
import { pruneEventRow } from '../../../src/store/events.ts'
import { listReadRows, listTimelineBack } from '../../../src/store/read-rows.ts'
import type { ReadRow } from '../../../src/store/read-rows.ts'
import { sqlQuery } from '../../../src/store/query.ts'
import { isFull, scale, seed } from '../../support/scale.ts'
import { Seeded } from '../../support/seeded.ts'
import { engines, makePlace } from '../../support/store.ts'
import { DeliveryWorld } from './delivery-world.ts'
import { Life, askText, erase, isRefused, peopleOf } from './life.ts'
import type { Person } from './life.ts'

const allEvents = sqlQuery<object, { nid: number; state_key_nid: number | null }>(
  'listEventsOfTest',
  'select event_nid as nid, state_key_nid from events order by event_nid',
)

const withoutTyping = { room: { ephemeral: { not_types: ['m.typing'] } } }

/** The same answer from every process, whatever it has in memory; account data have no order. */
async function whole(world: DeliveryWorld, person: Person): Promise<unknown> {
  const filter = { ...withoutTyping, ...person.filter }
  const text = await askText(world, { ...person, filter }, 'WHOLE', undefined)
  return JSON.parse(text, (key, value: unknown) => {
    if (key === 'next_batch') return ''
    if (key === 'account_data') return (value as Events).events.map((event) => JSON.stringify(event)).toSorted()
    if (key === 'ephemeral') return (value as Events).events.filter(({ type }) => type !== 'm.typing')
    return value
  })
}

interface Events {
  readonly events: readonly { readonly type: string }[]
}

/** A row without what memory adds to it. */
function stored(row: KnownRow): ReadRow {
  const copy = { ...row }
  delete copy.texts
  return copy
}

async function compareRows(world: DeliveryWorld, conn: Conn, rooms: readonly number[], random: Seeded) {
  const nids = (await allEvents(conn)).map(({ nid }) => nid)
  const some = nids.filter(() => random.chance(0.6))
  const byNid = (rows: Iterable<ReadRow>) => [...rows].toSorted((a, b) => a.event_nid - b.event_nid)
  const read = await readRows(world.deps, conn, some)
  expect(byNid(read.values()).map(stored)).toEqual(byNid(await listReadRows(conn, some)))
  const tops = rooms.map((nid) => [nid, random.chance(0.5) ? Number.MAX_SAFE_INTEGER : random.below(40) - 2] as const)
  const most = 1 + random.below(25)
  const timelines = await readTimelines(world.deps, conn, tops, most)
  for (const [nid, ord] of tops)
    expect((timelines.get(nid) ?? []).map(stored)).toEqual(await listTimelineBack(conn, nid, ord, most))
}

describe.each(engines)('whole answers of /sync, on %s', (engine) => {
  test(
    'rows from memory and rooms read together are what the database has, in each process',
    { timeout: isFull() ? 900_000 : 120_000 },
    async () => {
      for (let run = 0; run < scale(1, 20); run++) {
        const from = seed(70_000) + run
        await using place = await makePlace(engine)
        await using world = await DeliveryWorld.start(engine, place)
        await using other = engine === 'postgres' ? await DeliveryWorld.start(engine, place) : undefined
        const random = new Seeded(from)
        const people = await peopleOf(world)
        const [first] = people as [Person]
        const levels = { users_default: 50, users: { [first.userId]: 100 } }
        const rooms: RoomId[] = []
        const nids: number[] = []
        for (const version of ['10', '11', '11', '10', '11']) {
          const { id, nid } = await world.engine.room(first.userId, { powerLevels: levels, version })
          rooms.push(id)
          nids.push(nid)
          for (const { userId } of people.slice(1)) if (random.chance(0.8)) await world.join(id, userId)
        }
        const life = new Life(world, random, people, rooms)
        for (let round = 0; round < 5; round++) {
          for (let i = 0; i < 1 + random.below(15); i++) await life.step().catch(isRefused)
          await pruneSome(world, random)
          if (round === 2) await erase(world, people.at(-1) as Person)
          for (const each of other === undefined ? [world] : [world, other])
            await each.deps.database.snapshot(async (conn) => {
              await compareRows(each, conn, nids, random)
            })
          for (const person of people) {
            const warm = await whole(world, person)
            if (other !== undefined) await expect.poll(() => whole(other, person), { timeout: 5_000 }).toEqual(warm)
            world.deps.roomCache.clear()
            expect(await whole(world, person), `seed ${from}, round ${round}, ${person.userId}`).toEqual(warm)
          }
        }
      }
    },
  )
})

/** As an erasure does it, by another process: nobody tells this one's memory. */
async function pruneSome(world: DeliveryWorld, random: Seeded): Promise<void> {
  const { database, clock } = world.deps
  const messages = (await database.read((conn) => allEvents(conn))).filter((row) => row.state_key_nid === null)
  if (messages.length === 0 || random.chance(0.4)) return
  const { nid } = random.pick(messages)
  await database.write(async (tx) => {
    const [row] = await listReadRows(tx, [nid])
    if (row === undefined || row.pruned_ts !== null) return
    const pdu = JSON.parse(row.json) as { content: object; event_id?: EventId }
    await pruneEventRow(tx, nid, JSON.stringify({ ...pdu, content: {} }), clock.now())
  })
}
