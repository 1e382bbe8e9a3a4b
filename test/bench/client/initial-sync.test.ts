import { expect, test } from 'vitest'
import type { ApiClient } from '../../support/api-client.ts'
import { conditions, cpuMs, driveReads, line, memoryMb } from '../../support/load.ts'
import { besideSynapse, fillRooms, registerMany, syncPaths } from './peers.ts'
import type { Peer } from './peers.ts'

const rooms = Number(process.env['LETHE_BENCH_ROOMS'] ?? 500)
/**
 * The ratio is of the same work on both. Synapse makes rooms slowly, 20 joins and 12 messages each: filling it takes most
 * of the run, and with fewer rooms (`LETHE_BENCH_PEER_ROOMS=25`) what is measured is how warm either server is.
 */
const fewRooms = Math.min(rooms, Number(process.env['LETHE_BENCH_PEER_ROOMS'] ?? rooms))
const members = 20
const times = 7

const paths = syncPaths(times)

async function read({ clientUrl: url, pid }: Peer, client: ApiClient) {
  const from = cpuMs(pid)
  const spread = await driveReads({ url, token: client.token as string, paths, count: times })
  return { ...spread, cpu: (cpuMs(pid) - from) / times }
}

test('initial-sync: lazy, timeline 10', { timeout: 1_800_000 }, async () => {
  console.log(`initial lazy sync, rooms of ${members} members, ${times} times: ${conditions()}`)
  let full: Awaited<ReturnType<typeof read>> | undefined
  const { ours, theirs } = await besideSynapse(async (peer, name) => {
    const clients = await registerMany(peer.clientUrl, members, 'member')
    await fillRooms(peer.clientUrl, clients, fewRooms)
    const few = await read(peer, clients[7] as ApiClient)
    if (name === 'Lethe') {
      await fillRooms(peer.clientUrl, clients, rooms - fewRooms)
      full = fewRooms === rooms ? few : await read(peer, clients[7] as ApiClient)
      console.log(`Lethe: ${memoryMb(peer.pid).most.toFixed(0)} MB at most`)
    }
    return few
  })
  const ms = (value: number) => `${value.toFixed(1)} ms`
  const whole = full as NonNullable<typeof full>
  const kb = (bytes: number) => `${(bytes / 1000).toFixed(0)} kB`
  line(`${rooms} rooms: the first`, `${ms(whole.first)}`, '-', `${kb(whole.bytes)} (aim 300 ms)`)
  line(`${rooms} rooms: p50`, ms(whole.p50), '-', `${ms(whole.cpu)} of processor time`)
  const ratio = theirs === undefined ? undefined : theirs.p50 / ours.p50
  line(
    `${fewRooms} rooms: p50`,
    ms(ours.p50),
    theirs === undefined ? '-' : ms(theirs.p50),
    `${ratio?.toFixed(1) ?? '-'}× (aim 30×)`,
  )
  expect.soft(whole.p50).toBeLessThanOrEqual(300)
  if (theirs !== undefined)
    line('the first of each', ms(ours.first), ms(theirs.first), `${(theirs.first / ours.first).toFixed(1)}×`)
  if (ratio !== undefined) expect.soft(ratio).toBeGreaterThanOrEqual(30)
})
