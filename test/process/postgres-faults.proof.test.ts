import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ApiClient, eventually } from '../support/api-client.ts'
import { CuttingProxy } from '../support/cutting-proxy.ts'
import { LetheProcess } from '../support/lethe-process.ts'
import { storedRoom } from '../support/one-database.ts'
import { testDatabase } from '../support/postgres-database.ts'
import { scale, seed } from '../support/scale.ts'
import { Seeded } from '../support/seeded.ts'
import { sendWhile } from '../support/senders.ts'
import type { Told } from '../support/senders.ts'

const cluster = process.env['LETHE_TEST_POSTGRES']
if (cluster === undefined)
  console.log('Faults of PostgreSQL are not tested: LETHE_TEST_POSTGRES is not set (see test/support/postgres.mjs)')

const script = resolve(import.meta.dirname, '../support/postgres.mjs')
const postgres = (command: string, folder: string) =>
  execFileSync(process.execPath, [script, command, folder], { encoding: 'utf8' }).trim()

describe.skipIf(cluster === undefined)('PostgreSQL under load', () => {
  const folder = mkdtempSync(join(tmpdir(), 'lethe-faults-'))
  const own = mkdtempSync(join(tmpdir(), 'lethe-postgres-'))
  let url: string
  let proxy: CuttingProxy
  let lethe: LetheProcess
  let clients: ApiClient[]
  let room: string

  beforeAll(async () => {
    // a cluster of its own, because it is stopped
    url = await testDatabase(postgres('start', own))
    proxy = await CuttingProxy.start(url)
    lethe = await LetheProcess.start({ folder, postgresUrl: proxy.url })
    clients = await Promise.all(
      Array.from({ length: 6 }, (_, i) => new ApiClient(lethe.clientUrl).register(`sender${i}`)),
    )
    room = await (clients[0] as ApiClient).createRoom({ preset: 'public_chat' })
    for (const client of clients.slice(1)) await client.join(room)
  }, 120_000)
  afterAll(async () => {
    await lethe?.stop('SIGKILL')
    await proxy?.close()
    postgres('stop', own)
    rmSync(folder, { recursive: true, force: true })
  })

  /** Sends from everybody while `act` runs; every message of theirs must then be stored once, under the id they were told. */
  async function underLoad(name: string, act: (count: () => number) => Promise<void>): Promise<Told[]> {
    let count = 0
    let isOver = false
    const sending = Promise.all(
      clients.map((client, i) =>
        sendWhile({
          url: () => lethe.clientUrl,
          token: client.token as string,
          room,
          name: `${name}s${i}`,
          until: () => isOver,
          onAcknowledged: () => count++,
        }),
      ),
    )
    try {
      await Promise.race([act(() => count), sending])
    } finally {
      isOver = true
    }
    const told = await sending
    expect(lethe.pid === undefined ? 'ended' : 'runs').toBe('runs')
    const stored = new Map<string, string[]>()
    const { events, extremities } = await storedRoom(url, room)
    for (const { id, pdu } of events) {
      const { body } = pdu.content
      if (body?.startsWith(name) === true) stored.set(body, [...(stored.get(body) ?? []), id])
    }
    const acknowledged = new Map(told.flatMap((each) => [...each.acknowledged]))
    expect(stored.size).toBe(acknowledged.size)
    for (const [body, id] of acknowledged) expect(stored.get(body), body).toEqual([id])
    expect(extremities).toHaveLength(1)
    return told
  }

  const rounds = scale(1, 8)
  test(
    `stopped and started ${rounds} times: refused with 503 meanwhile, nothing lost or doubled, no restart needed`,
    async () => {
      const told = await underLoad('stop', async (count) => {
        for (let round = 0; round < rounds; round++) {
          const wanted = count() + 40 + round * 13
          while (count() < wanted) await pause(2)
          postgres('halt', own)
          const refused = await eventually(async () => {
            const answer = await new ApiClient(lethe.clientUrl).answer(
              'GET',
              '/_matrix/client/v3/account/whoami',
              undefined,
              {
                authorization: `Bearer ${clients[0]?.token}`,
              },
            )
            return answer.status === 503 ? answer : undefined
          })
          expect(JSON.parse(refused.text)).toMatchObject({ errcode: expect.stringMatching(/^M_/) as string })
          expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0)
          const before = count()
          postgres('resume', own)
          while (count() < before + 40) await pause(5)
        }
      })
      const refusals = told.reduce((sum, each) => sum + each.refusals, 0)
      expect(refusals).toBeGreaterThan(0)
      console.log(
        `${rounds} stops: ${told.reduce((sum, each) => sum + each.acknowledged.size, 0)} events, ${refusals} refusals`,
      )
    },
    60_000 + rounds * 30_000,
  )

  const cuts = scale(4, 60)
  test(
    `cut ${cuts} times around COMMIT: what was committed is known to be, nothing lost or doubled`,
    async () => {
      const start = seed(7)
      const random = new Seeded(start)
      const total = () => proxy.cuts.before + proxy.cuts.after
      const told = await underLoad('cut', async (count) => {
        let next = count() + 20
        proxy.choose = () => {
          if (count() < next || total() >= cuts) return undefined
          next = count() + 5 + random.below(30)
          return random.chance(0.5) ? 'before' : 'after'
        }
        while (total() < cuts) await pause(5)
        proxy.choose = () => undefined
        const wanted = count() + 20
        while (count() < wanted) await pause(5)
      })
      const sum = (key: 'refusals' | 'cuts') => told.reduce((all, each) => all + each[key], 0)
      // the server lives on, so no client's connection broke
      expect(sum('cuts')).toBe(0)
      console.log(
        `seed ${start}: ${proxy.cuts.before} cuts before, ${proxy.cuts.after} after COMMIT, ${sum('refusals')} refusals`,
      )
    },
    60_000 + cuts * 4_000,
  )
})
