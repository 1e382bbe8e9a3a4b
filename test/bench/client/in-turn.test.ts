import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { expect, test } from 'vitest'
import type { ApiClient } from '../../support/api-client.ts'
import { LetheProcess } from '../../support/lethe-process.ts'
import { conditions, driveReads, driveSends } from '../../support/load.ts'
import { fillRooms, registerMany, roomOf, syncPaths } from './peers.ts'

/** Folders `dist`; this checkout's against itself unless given, which shows how much the machine adds. */
const builds = (process.env['LETHE_BENCH_BUILDS'] ?? 'dist,dist').split(',')
/** So much of what the first build takes may another take. */
const most = 1.25
const rounds = Number(process.env['LETHE_BENCH_ROUNDS'] ?? 20)
const rooms = Number(process.env['LETHE_BENCH_ROOMS'] ?? 100)
const pages = 20

/** One of the builds, with data of its own. */
interface Side {
  readonly build: string
  readonly lethe: LetheProcess
  readonly clients: readonly ApiClient[]
  readonly room: string
}

/** Processor time of the main thread so far, in µs. */
function mainUs({ lethe: { pid } }: Side): number {
  return Number(readFileSync(`/proc/${pid}/task/${pid}/schedstat`, 'utf8').split(' ')[0]) / 1_000
}

const tokenOf = ({ clients }: Side) => (clients[7] as ApiClient).token as string

function messagePaths({ room }: Side, round: number): string[] {
  const at = `/_matrix/client/v3/rooms/${encodeURIComponent(room)}/messages?dir=b&limit=100`
  return Array.from({ length: pages }, (_, i) => `${at}&from=t${200 + ((((round + 3) * pages + i) * 7_919) % 1_800)}`)
}

/** The works to compare: how many units each round has, and what does them. */
const works = [
  ...[1, 10, 50].map((senders) => ({
    name: `a message, ${senders} sender(s)`,
    units: senders === 1 ? 300 : 1_000,
    run: async ({ lethe, clients, room }: Side, round: number) => {
      const all = clients
        .slice(0, senders)
        .map(({ token }) => ({ token: token as string, room, label: `s${senders}-${round}` }))
      await driveSends({ url: lethe.clientUrl, senders: all, seconds: 60, total: senders === 1 ? 300 : 1_000 })
    },
  })),
  {
    name: `an initial /sync of ${rooms + 1} rooms`,
    units: 1,
    run: async (side: Side, round: number) => {
      const paths = syncPaths(rounds + 3).slice(round + 3)
      await driveReads({ url: side.lethe.clientUrl, token: tokenOf(side), paths, count: 1 })
    },
  },
  {
    name: 'a page of 100 events',
    units: pages,
    run: async (side: Side, round: number) => {
      const paths = messagePaths(side, round)
      await driveReads({ url: side.lethe.clientUrl, token: tokenOf(side), paths, count: pages })
    },
  },
]

async function begin(build: string, folder: string): Promise<Side> {
  const lethe = await LetheProcess.start({ folder, main: resolve(build, 'main.js') })
  const clients = await registerMany(lethe.clientUrl, 50, 'member')
  await fillRooms(lethe.clientUrl, clients.slice(0, 20), rooms)
  const room = await roomOf(clients)
  const senders = clients.map(({ token }, i) => ({ token: token as string, room, label: `begin${i}` }))
  await driveSends({ url: lethe.clientUrl, senders, seconds: 600, total: 2_000 })
  return { build, lethe, clients, room }
}

/** Of two versions, run one after the other, a machine's changing speed says more than they do: both live at once here. */
test('in-turn: builds do the same in turn', { timeout: 1_800_000 }, async () => {
  console.log(`${rounds} rounds in turn after 3 of warming up: ${conditions()}`)
  const folder = mkdtempSync(join(tmpdir(), 'lethe-bench-'))
  const sides: Side[] = []
  try {
    for (const [i, build] of builds.entries()) sides.push(await begin(build, join(folder, String(i))))
    for (const { name, units, run } of works) {
      const figures = new Map(sides.map((side) => [side, [] as number[]]))
      for (let round = -3; round < rounds; round++)
        for (const side of round % 2 === 0 ? sides : sides.toReversed()) {
          const from = mainUs(side)
          await run(side, round)
          if (round >= 0) figures.get(side)?.push((mainUs(side) - from) / units)
        }
      let first: number | undefined
      for (const [{ build }, taken] of figures) {
        const sorted = taken.toSorted((a, b) => a - b)
        const [best, median] = [sorted[0] as number, sorted[sorted.length >> 1] as number]
        const ratio = median / (first ??= median)
        expect.soft(ratio, `${name}: ${build}`).toBeLessThanOrEqual(most)
        console.log(
          `${name.padEnd(34)} median ${median.toFixed(0)} µs, best ${best.toFixed(0)} µs of the main thread, ${ratio.toFixed(2)} of the first: ${build}`,
        )
      }
    }
  } finally {
    for (const { lethe } of sides) await lethe.stop()
    rmSync(folder, { recursive: true, force: true })
  }
})
