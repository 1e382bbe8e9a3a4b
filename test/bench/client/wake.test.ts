import { expect, test } from 'vitest'
import { conditions, driveWakes, line } from '../../support/load.ts'
import { besideSynapse, registerMany, roomOf } from './peers.ts'
import type { Peer } from './peers.ts'

const pollers = 200
const warmup = 20
const count = 100

/** 200 users that poll one room, 10 messages a second for 10 s after 2 s of warming up: ms from the write of a send to each user's answer. */
async function measure({ clientUrl: url }: Peer) {
  const clients = await registerMany(url, pollers + 1, 'poller')
  const room = await roomOf(clients)
  const [sender, ...others] = clients as [(typeof clients)[number], ...typeof clients]
  const users: { token: string; since: string }[] = []
  for (const client of others) {
    const { next_batch: since } = await client.call<{ next_batch: string }>('GET', '/_matrix/client/v3/sync')
    users.push({ token: client.token as string, since })
  }
  const one = { token: sender.token as string, room, label: 'wake' }
  return driveWakes({ url, users, sender: one, everyMs: 100, warmup, count })
}

test('wake: 200 users that poll, 10 messages/s', { timeout: 900_000 }, async () => {
  console.log(`${pollers} users poll, ${count} messages at 10/s: ${conditions()}`)
  const { ours, theirs } = await besideSynapse(measure)
  expect(ours.missing).toBe(0)
  const ratio = theirs === undefined ? undefined : theirs.p99 / ours.p99
  const ms = (value: number | undefined) => (value === undefined ? '-' : `${value.toFixed(1)} ms`)
  line('while warming up, p50', ms(ours.first.p50), ms(theirs?.first.p50), '')
  line('while warming up, p99', ms(ours.first.p99), ms(theirs?.first.p99), '')
  line('wake p50', ms(ours.p50), ms(theirs?.p50), '')
  line('wake p99', ms(ours.p99), ms(theirs?.p99), `${ratio?.toFixed(1) ?? '-'}× (aim 30×, ≤ 60 ms)`)
  if (theirs !== undefined && theirs.missing > 0) console.log(`Synapse: ${theirs.missing} answers missing after 120 s`)
  expect.soft(ours.p99).toBeLessThanOrEqual(60)
  if (ratio !== undefined) expect.soft(ratio).toBeGreaterThanOrEqual(30)
})
