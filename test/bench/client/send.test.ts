import { expect, test } from 'vitest'
import { conditions, driveSends, line } from '../../support/load.ts'
import { besideSynapse, registerMany, roomOf } from './peers.ts'
import type { Peer } from './peers.ts'

const seconds = Number(process.env['LETHE_BENCH_SECONDS'] ?? 6)
const kinds = [
  { senders: 1, aim: 12 },
  { senders: 10, aim: 25 },
  { senders: 50, aim: 40 },
] as const

/** Durable sends per second through HTTP by users in one room, each waiting for its answer. */
async function measure({ clientUrl: url }: Peer): Promise<number[]> {
  const figures: number[] = []
  for (const { senders } of kinds) {
    const clients = await registerMany(url, senders, `sender-${senders}`)
    const room = await roomOf(clients)
    const all = clients.map(({ token }) => ({ token: token as string, room, label: 'send' }))
    figures.push((await driveSends({ url, senders: all, seconds })).perSecond)
  }
  return figures
}

test('send: durable sends/s through HTTP, beside Synapse', { timeout: 600_000 }, async () => {
  console.log(`sends of 90 bytes in one room, ${seconds} s a figure: ${conditions()}`)
  const { ours, theirs } = await besideSynapse(measure)
  kinds.forEach(({ senders, aim }, i) => {
    const [our, their] = [ours[i] as number, theirs?.[i]]
    const ratio = their === undefined ? undefined : our / their
    const tail = ratio === undefined ? '' : `${ratio.toFixed(1)}× (aim ${aim}×)`
    line(`sends/s, ${senders} sender(s)`, our.toFixed(0), their?.toFixed(1) ?? '-', tail)
    if (ratio !== undefined) expect.soft(ratio, `${senders} senders`).toBeGreaterThanOrEqual(aim)
  })
})
