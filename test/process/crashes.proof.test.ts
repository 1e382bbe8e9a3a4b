import { createHash } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { listMigrations, splitStatements } from '../../src/store/migrate.ts'
import { eventually } from '../support/api-client.ts'
import { CrashChecks } from '../support/crash-checks.ts'
import type { PublicKey } from '../support/crash-checks.ts'
import { CrashWorld, isGone } from '../support/crash-world.ts'
import { LetheProcess } from '../support/lethe-process.ts'
import { Seeded } from '../support/seeded.ts'
import { scale, seed } from '../support/scale.ts'

/** Where the server is killed, how often it comes there in one load at least, and what the load must do for that. */
const points: readonly (readonly [name: string, most: number, needs?: 'erasure' | 'remote join'])[] = [
  ['send:appended', 20],
  ['inbound:appended', 12],
  ['upload:placed', 3],
  ['join:remote:outliers', 1, 'remote join'],
  ['erasure:after:LOCKED', 1, 'erasure'],
  ['write:after-commit', 40],
  ['send:stored', 20],
  ['write:before-commit', 40],
  ['write:after-sync', 40],
  ['join:appended', 3],
  ['join:stored', 3],
  ['join:remote:signed', 1, 'remote join'],
  ['join:remote:answered', 1, 'remote join'],
  ['join:remote:empty', 1, 'remote join'],
  ['join:remote:stored', 1, 'remote join'],
  ['inbound:judged', 4],
  ['inbound:stored', 4],
  ['upload:written', 3],
  ['upload:synced', 3],
  ['upload:stored', 3],
  ['erasure:before:JOURNAL', 1, 'erasure'],
  ['erasure:after:JOURNAL', 1, 'erasure'],
  ['erasure:after:CENSUS', 1, 'erasure'],
  ['erasure:in:REDACT', 1, 'erasure'],
  ['erasure:after:PART', 1, 'erasure'],
  ['erasure:in:COLLECT:rewritten', 1, 'erasure'],
  ['erasure:after:SETTLED', 1, 'erasure'],
]
const kills = scale(5, 186)
const migrationKills = scale(1, 14)
/** A start may take this much of a processor, and where others use its caches and its other half, so much more. */
const startBudgetMs = 500
const patience = 1.5
/** How long a failpoint is waited for, ms. */
const longest = { load: 4_000, 'remote join': 8_000, erasure: 15_000 }
const first = seed(20_261_122)

const folder = mkdtempSync(join(tmpdir(), 'lethe-crashes-'))
const starts: number[] = []
let world: CrashWorld
let checks: CrashChecks

beforeAll(async () => {
  world = await CrashWorld.start(folder)
  const { peer, lethe } = world
  const { json } = await peer.request(lethe, 'GET', '/_matrix/key/v2/server')
  const keys = json['verify_keys'] as Record<string, { key: string }>
  const [keyId, { key }] = Object.entries(keys)[0] as [string, { key: string }]
  checks = new CrashChecks(
    lethe.dataFolder,
    new Map<string, PublicKey>([
      [lethe.name, { keyId, publicKey: key }],
      [peer.name as string, peer.evil.key],
    ]),
  )
  await lethe.stop('SIGKILL')
}, 60_000)
afterAll(async () => {
  await world?.[Symbol.asyncDispose]()
  rmSync(folder, { recursive: true, force: true })
})

/** The processor time that a process has used so far. */
function usedMs(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? []
  return (Number(fields[11]) + Number(fields[12])) * 10
}

async function startAndMeasure(env: Record<string, string> = {}): Promise<void> {
  await world.lethe.start(env)
  starts.push(usedMs(world.lethe.pid as number))
}

/** How far the list of each kind of thing has been looked at. */
const looked = { uploads: 0, joins: 0, transactions: 0 }

/** Everything that was acknowledged is there, once and whole. */
async function verify(): Promise<void> {
  await world.repeat()
  for (const { mxc, sha256 } of world.uploaded.slice(looked.uploads)) {
    const { status, bytes } = await world.host.download(mxc)
    expect([status, createHash('sha256').update(bytes).digest('hex')], mxc).toEqual([200, sha256])
  }
  for (const { txnId, repeat, answer } of world.transactions.slice(looked.transactions))
    expect(await repeat(), txnId).toBe(answer)
  const { joined_rooms: joined } = await world.joiner.call<{ joined_rooms: string[] }>(
    'GET',
    '/_matrix/client/v3/joined_rooms',
  )
  expect(world.joined.slice(looked.joins).filter((room) => !joined.includes(room))).toEqual([])
  for (const { client, events } of world.erased.slice(-3)) {
    expect(await isGone(client), client.userId).toBe(true)
    // the host was there, and reads it until it is gone at rest: the job goes on by itself
    for (const id of events)
      await eventually(
        async () => JSON.stringify((await world.host.event(world.rooms.quiet, id))['content']) === '{}',
        15_000,
        `${id} is pruned`,
      )
  }
  while ((await world.follower.step(world.host)) > 0);
  while ((await world.sharedFollower.step(world.host)) > 0);
  // jobs and staged events that the crash interrupted go on by themselves
  await eventually(async () => checks.orphans().length === 0, 5_000).catch(() => undefined)
  expect(checks.orphans()).toEqual([])
  expect(checks.newEvents()).toEqual([])
  looked.uploads = world.uploaded.length
  looked.joins = world.joined.length
  looked.transactions = world.transactions.length
}

/** Every message that was acknowledged is one event in the database, and came by /sync once. */
function verifyMessages(): void {
  const synced = new Map<string, number>()
  for (const id of [...world.follower.seen, ...world.sharedFollower.seen]) synced.set(id, (synced.get(id) ?? 0) + 1)
  const wrong = [...world.acknowledged].filter(
    ([body, id]) => JSON.stringify(checks.messages.get(body)) !== JSON.stringify([id]) || synced.get(id) !== 1,
  )
  expect(
    wrong.map(([body, id]) => ({ body, id, stored: checks.messages.get(body), synced: synced.get(id) ?? 0 })),
  ).toEqual([])
  expect([...synced].filter(([, count]) => count !== 1)).toEqual([])
  expect([...checks.messages].filter(([body, ids]) => /^[mp]\d/.test(body) && ids.length !== 1)).toEqual([])
}

/** As `verify`, of everything since the beginning, and what only a look at all of it shows. */
async function verifyAll(): Promise<void> {
  await startAndVerify({})
  verifyMessages()
  looked.uploads = looked.joins = 0
  await verify()
  expect(checks.final()).toEqual([])
}

/** Starts the server, and looks at what is there. Where it ends at its failpoint meanwhile, once more without one. */
async function startAndVerify(env: Record<string, string>): Promise<{ isKilled: boolean }> {
  try {
    await startAndMeasure(env)
    await verify()
    return { isKilled: false }
  } catch (error) {
    if (env['LETHE_FAILPOINT'] === undefined || (await isAlive())) throw error
  }
  await startAndMeasure()
  await verify()
  return { isKilled: true }
}

/** Whether the process is there; one that kills itself may need a moment. */
async function isAlive(): Promise<boolean> {
  return Promise.race([world.lethe.ended().then(() => false), pause(10_000).then(() => true)])
}

/** The server under load until it ends at its failpoint, or after `ms`. True: by itself. */
async function live(plan: Parameters<CrashWorld['load']>[0], ms: number): Promise<boolean> {
  const load = world.load(plan)
  load.catch(() => undefined)
  const isByItself = await Promise.race([world.lethe.ended().then(() => true), pause(ms).then(() => false)])
  await world.lethe.stop('SIGKILL')
  await load
  return isByItself
}

test(
  `${kills} kills under load, at random and at named points: all that was acknowledged is there, once and whole`,
  async () => {
    const random = new Seeded(first)
    const reached = new Map<string, number>()
    let inTheirStart = 0
    for (let cycle = 0; cycle < kills; cycle++) {
      const [name, most, needs] = points[cycle % points.length] as (typeof points)[number]
      const isRandom = cycle % 6 === 5 || cycle >= 4 * points.length
      const place = isRandom ? undefined : `${name}@${1 + Math.floor(random.next() * most)}`
      const chance = random.next()
      try {
        if (isRandom && chance < 0.3) {
          const starting = world.lethe.start().catch(() => undefined)
          await pause(100 + chance * 3000)
          await world.lethe.stop('SIGKILL')
          await starting
          inTheirStart++
        }
        const { isKilled } = await startAndVerify(place === undefined ? {} : { LETHE_FAILPOINT: place })
        const plan = { erases: needs === 'erasure', joinsRemotely: needs === 'remote join' }
        const isByItself = await live(
          plan,
          place === undefined || isKilled ? 30 + random.next() * 300 : longest[needs ?? 'load'],
        )
        if (place !== undefined && (isByItself || isKilled)) reached.set(name, (reached.get(name) ?? 0) + 1)
      } catch (error) {
        throw new Error(
          `cycle ${cycle}, ${place ?? 'at random'}; LETHE_SEED=${first} replays it: ${String(error).slice(0, 1000)}\n${world.lethe.log().slice(-2000)}`,
          { cause: error },
        )
      }
    }
    await verifyAll()
    const tried = points.slice(0, kills).filter((_, i) => i % 6 !== 5)
    expect(tried.map(([name]) => name).filter((name) => !reached.has(name))).toEqual([])
    const sorted = starts.toSorted((a, b) => a - b)
    console.log(
      `${kills + inTheirStart} kills (${[...reached.values()].reduce((a, b) => a + b, 0)} at named points, ${inTheirStart} in a start), ` +
        `${world.acknowledged.size} messages, ${world.joined.length} joins, ${world.uploaded.length} uploads, ${world.transactions.length} transactions of a peer, ${world.erased.length} erasures; ` +
        `processor time of a start: a quarter at most ${sorted[sorted.length >> 2]} ms, median ${sorted[sorted.length >> 1]} ms, at most ${sorted.at(-1)} ms`,
    )
    expect(sorted[sorted.length >> 2]).toBeLessThanOrEqual(startBudgetMs * patience)
  },
  60_000 + kills * 10_000,
)

// an answer waits 15 s for its events to be judged before they are staged
test.skipIf(scale(0, 1) === 0).each(['inbound:staged', 'inbound:unstaging'])(
  'killed at %s: what the peer was told is taken is judged after the start',
  async (place) => {
    await world.lethe.stop('SIGKILL')
    await startAndVerify({ LETHE_FAILPOINT: place })
    const sent = world.sendGap().catch(() => undefined)
    if (place === 'inbound:unstaging') {
      await sent
      world.peer.show()
    }
    expect(await world.lethe.ended()).toMatchObject({ signal: 'SIGKILL' })
    await sent
    world.peer.show()
    await verifyAll()
  },
  60_000,
)

test(
  `${migrationKills} kills, while the database is made: old or new, never between, and it is whole in the end`,
  async () => {
    const random = new Seeded(first)
    const migrations = listMigrations('sqlite')
    const places = migrations
      .flatMap(({ steps }) => steps)
      .reduce((sum, sql) => sum + splitStatements(sql).length + 2, 0)
    const home = join(folder, 'migrated')
    const lethe = await LetheProcess.prepare({ folder: home })
    const young = new CrashChecks(lethe.dataFolder, new Map())
    for (let i = 0; i < migrationKills; i++) {
      const at = i === 0 ? places : 1 + Math.floor(random.next() * places)
      await expect(lethe.start({ LETHE_FAILPOINT: `migration@${at}` }), `migration@${at}`).rejects.toThrow(
        'ended at its start',
      )
      expect(
        young.schema().filter((sql) => !sql.includes('schema_migrations')),
        `migration@${at}`,
      ).toEqual([])
    }
    await lethe.start()
    expect(young.schema()).toEqual(checks.schema())
    expect(young.final()).toEqual([])
    await lethe.stop('SIGKILL')
  },
  60_000 + migrationKills * 10_000,
)
