import { expect, test } from 'vitest'
import { conditions, cpuMs, driveReads, driveSends, line, memoryMb } from '../../support/load.ts'
import { besideSynapse, registerMany, roomOf } from './peers.ts'

const total = Number(process.env['LETHE_BENCH_MESSAGES'] ?? 100_000)
const fewMessages = Math.min(total, 2_000)
const pages = 300

test('messages: pages of 100 events', { timeout: 1_800_000 }, async () => {
  console.log(`/messages of 100, ${pages} pages at random places: ${conditions()}`)
  const { ours, theirs } = await besideSynapse(async ({ clientUrl: url, pid }, name) => {
    const clients = await registerMany(url, 20, 'writer')
    const room = await roomOf(clients)
    const senders = clients.map(({ token }, i) => ({ token: token as string, room, label: `fill${i}` }))
    const made = name === 'Lethe' ? total : fewMessages
    const { perSecond } = await driveSends({ url, senders, seconds: 1_800, total: made })
    console.log(
      `${name}: ${made} messages made, ${perSecond.toFixed(0)}/s, ${memoryMb(pid).most.toFixed(0)} MB at most`,
    )
    const [client] = clients as [(typeof clients)[number]]
    const at = `/_matrix/client/v3/rooms/${encodeURIComponent(room)}/messages?dir=b&limit=100`
    const starts: string[] = []
    let from: string | undefined
    for (let i = 0; i * 100 < made; i++) {
      const page = await client.call<{ end?: string }>('GET', from === undefined ? at : `${at}&from=${from}`)
      if (page.end === undefined) break
      from = encodeURIComponent(page.end)
      starts.push(`${at}&from=${from}`)
    }
    // every 7th: neighbours are not read one after the other
    const paths = starts.map((_, i) => starts[(i * 7) % starts.length] as string)
    const cpu = cpuMs(pid)
    const spread = await driveReads({ url, token: client.token as string, paths, count: pages })
    return { ...spread, cpu: (cpuMs(pid) - cpu) / pages }
  })
  const ms = (value: number | undefined) => (value === undefined ? '-' : `${value.toFixed(2)} ms`)
  const ratio = theirs === undefined ? '-' : (theirs.p50 / ours.p50).toFixed(1)
  line(`p50, 100 of ${total} (Synapse ${fewMessages})`, ms(ours.p50), ms(theirs?.p50), `${ratio}× (aim ≤ 1 ms)`)
  line('p99', ms(ours.p99), ms(theirs?.p99), `${ours.bytes} bytes, ${ms(ours.cpu)} of processor time`)
  expect.soft(ours.p50).toBeLessThanOrEqual(1)
})
