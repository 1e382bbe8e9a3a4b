import { execFileSync } from 'node:child_process'
import { expect, test } from 'vitest'
import { EngineBench, microsecondsByStage, usedBytes } from '../support/engine-bench.ts'
import type { Ground } from '../support/engine-bench.ts'
import type { RoomId } from '../../src/protocol/ids.ts'
import { sqlQuery } from '../../src/store/query.ts'

const seconds = Number(process.env['LETHE_BENCH_SECONDS'] ?? 3)
const commit = execFileSync('git', ['rev-parse', '--short', 'HEAD'], { encoding: 'utf8' }).trim()
const noPostgres = process.env['LETHE_TEST_POSTGRES'] ? undefined : 'LETHE_TEST_POSTGRES is not set'

const say = (text: string) => console.log(text)
const cell = (text: string | number) => String(text).padStart(10)

const groups = sqlQuery<{ roomNid: number }, { n: number; bytes: number }>(
  'bench.groups',
  'select count(*) as n, sum(length(delta)) as bytes from state_groups where room_nid = :roomNid',
)
const pages = sqlQuery<object, { name: string; bytes: number }>('bench.pages', {
  sqlite: 'select name, sum(pgsize) as bytes from dbstat group by name',
  postgres: `select relname::text as name, pg_relation_size(oid) as bytes from pg_class`,
})

test('the engine: events through build → judge → append', { timeout: 300_000 }, async () => {
  say(`commit ${commit}, ${seconds} s a figure, Node ${process.versions.node}, no seed: nothing is drawn`)
  say(
    ['events/s: senders, rooms'.padEnd(28), ...[1, 10, 50].flatMap((n) => [`${n}, 1`, `${n}, 100`]).map(cell)].join(''),
  )
  const grounds: Ground[] = [
    'SQLite durable',
    'SQLite relaxed',
    ...(noPostgres === undefined ? ['PostgreSQL' as const] : []),
  ]
  const first: number[] = []
  for (const ground of grounds) {
    await using bench = await EngineBench.start(ground)
    const users = await bench.users('user', 50)
    const one = await bench.room('one', users)
    const rooms: RoomId[] = []
    for (let i = 0; i < 100; i++)
      rooms.push(
        await bench.room(
          `room${i}`,
          [...new Set([users[0], users[i % 10], users[i % 50]])].flatMap((id) => id ?? []),
        ),
      )
    const inOne = users.map((id) => ({ id, rooms: [one] }))
    const rates: number[] = []
    for (const count of [1, 10, 50])
      for (const senders of [
        inOne.slice(0, count),
        inOne.slice(0, count).map(({ id }, s) => ({ id, rooms: rooms.filter((_, i) => i % count === s) })),
      ]) {
        const run = (ms: number, tag: string) =>
          bench.send(senders, `${tag}${rates.length}.`, { until: performance.now() + ms })
        await run(500, 'w')
        const from = performance.now()
        const sent = await run(seconds * 1000, 'r')
        rates.push(sent / ((performance.now() - from) / 1000))
      }
    say([ground.padEnd(28), ...rates.map((rate) => cell(rate.toFixed(0)))].join(''))
    if (first.length === 0) first.push(...rates)
    else
      say(
        [
          '  of the first line'.padEnd(28),
          ...rates.map((rate, i) => cell(`${(rate / (first[i] as number)).toFixed(2)}×`)),
        ].join(''),
      )
    const stages = await microsecondsByStage(() => bench.send(inOne, 'p', { most: 4000 }))
    const total = [...stages.values()].reduce((sum, us) => sum + us, 0)
    say(
      `  µs an event: ${[...stages].map(([stage, us]) => `${stage} ${us.toFixed(0)}`).join(', ')}; together ${total.toFixed(0)}`,
    )
  }
  if (noPostgres !== undefined) say(`PostgreSQL: not measured, ${noPostgres}`)
  // 50 senders in one room, SQLite durable
  expect(first[4]).toBeGreaterThanOrEqual(3000)
})

test('the engine: bytes on disk of a message', { timeout: 120_000 }, async () => {
  await using bench = await EngineBench.start('SQLite relaxed')
  const users = await bench.users('user', 50)
  const room = await bench.room('room', users)
  const senders = users.map((id) => ({ id, rooms: [room] }))
  await bench.send(senders, 'w', { most: 2000 })
  const before = await bench.bytes()
  const sent = await bench.send(senders, 'r', { most: 20_000 })
  const bytes = ((await bench.bytes()) - before) / sent
  say(`bytes on disk of a message of 60 characters: ${bytes.toFixed(0)} (at most 1,100)`)
  expect(bytes).toBeLessThanOrEqual(1100)
})

test('the engine: bytes of a state change in a room of 10,000 members', { timeout: 120_000 }, async () => {
  await using bench = await EngineBench.start('SQLite relaxed')
  const { deps } = bench.composed
  const members = await bench.users('member', 10_000)
  const roomId = await bench.room('room', members)
  await bench.rename(roomId, members.slice(0, 1000), 'before')
  const room = await deps.database.read((conn) => deps.roomCache.get(conn, roomId))
  const measure = async () => {
    await bench.bytes()
    const rows = await deps.database.read((conn) => pages(conn))
    const sum = (fits: (name: string) => boolean) =>
      rows.filter(({ name }) => fits(name)).reduce((n, { bytes }) => n + bytes, 0)
    const [packed] = await deps.database.read((conn) => groups(conn, { roomNid: room.nid }))
    return { groups: sum((name) => name.startsWith('state_groups')), deltas: packed?.bytes ?? 0 }
  }
  const before = await measure()
  const changes = 4000
  await bench.rename(roomId, members.slice(2000, 2000 + changes), 'after')
  const after = await measure()
  const pagesEach = (after.groups - before.groups) / changes
  const deltasEach = (after.deltas - before.deltas) / changes
  say(
    `bytes of a state change beyond the event, 10,000 members, snapshots included: ${pagesEach.toFixed(0)} on disk (at most 150), ${deltasEach.toFixed(0)} of them packed deltas`,
  )
  expect(pagesEach).toBeLessThanOrEqual(150)
})

test('the engine: memory while a room grows from 1,000 to 100,000 events', { timeout: 180_000 }, async () => {
  await using bench = await EngineBench.start('SQLite relaxed')
  const users = await bench.users('user', 50)
  const room = await bench.room('room', users)
  const senders = users.map((id) => ({ id, rooms: [room] }))
  const used: number[] = []
  let sent = 0
  for (const events of [1000, 10_000, 50_000, 100_000]) {
    sent += await bench.send(senders, `${events}.`, { most: events - sent })
    used.push(usedBytes() / 2 ** 20)
  }
  say(`MB in use at 1,000 / 10,000 / 50,000 / 100,000 events: ${used.map((mb) => mb.toFixed(1)).join(' / ')}`)
  expect(Math.max(...used) - (used[0] as number)).toBeLessThanOrEqual(5)
})
