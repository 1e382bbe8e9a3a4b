import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { ApiClient } from '../support/api-client.ts'
import { LetheProcess } from '../support/lethe-process.ts'
import { RawConnection, prepareRequest } from '../support/raw-http.ts'
import { Synapse, synapseMissing } from '../support/synapse.ts'
import { makeTls } from '../support/tls.ts'

const seconds = Number(process.env['LETHE_BENCH_SECONDS'] ?? 6)

/** Durable sends per second through HTTP by `senders` users in one room, each waiting for its answer. */
async function sendsPerSecond(baseUrl: string, senders: number, tag: string): Promise<number> {
  const clients: ApiClient[] = []
  for (let i = 0; i < senders; i++) clients.push(await new ApiClient(baseUrl).register(`bench-${tag}-${senders}-${i}`))
  const [first, ...others] = clients as [ApiClient, ...ApiClient[]]
  const room = await first.createRoom({ preset: 'public_chat', room_version: '11' })
  for (const other of others) await other.join(room)
  const run = async (client: ApiClient, label: string, until: number): Promise<number> => {
    const connection = await RawConnection.open(baseUrl)
    let sent = 0
    while (performance.now() < until) {
      const path = `/_matrix/client/v3/rooms/${encodeURIComponent(room)}/send/m.room.message/${label}-${sent}`
      const { status, body } = await connection.request(
        prepareRequest('PUT', path, client.token as string, {
          msgtype: 'm.text',
          body: `message ${sent} of a benchmark that writes ordinary sentences`,
        }),
      )
      if (status !== 200) throw new Error(`${status} ${body}`)
      sent++
    }
    connection.close()
    return sent
  }
  await Promise.all(clients.map((client) => run(client, 'warm', performance.now() + 1000)))
  const from = performance.now()
  const counts = await Promise.all(clients.map((client) => run(client, 'run', from + seconds * 1000)))
  return counts.reduce((sum, count) => sum + count, 0) / ((performance.now() - from) / 1000)
}

test('send: durable sends/s through HTTP, beside Synapse', { timeout: 300_000 }, async () => {
  const missing = synapseMissing()
  const folder = mkdtempSync(join(tmpdir(), 'lethe-bench-'))
  try {
    const tls = makeTls(folder)
    await using lethe = await LetheProcess.start({ folder: join(folder, 'lethe'), tls })
    const ours = {
      sequential: await sendsPerSecond(lethe.clientUrl, 1, 'a'),
      ten: await sendsPerSecond(lethe.clientUrl, 10, 'a'),
    }
    await lethe.stop()
    const commit = execFileSync('git', ['rev-parse', '--short', 'HEAD'], { encoding: 'utf8' }).trim()
    console.log(`commit ${commit}, ${seconds} s a figure, SQLite durable, Node ${process.versions.node}`)
    const line = (name: string, ours: number, theirs?: number) =>
      console.log(
        `${name.padEnd(12)} Lethe ${ours.toFixed(0).padStart(6)}/s${theirs === undefined ? '' : `   Synapse ${theirs.toFixed(1).padStart(6)}/s   ratio ${(ours / theirs).toFixed(1)}×`}`,
      )
    if (missing !== undefined) {
      line('sequential', ours.sequential)
      line('10 senders', ours.ten)
      console.log(`no ratio: ${missing}`)
      return
    }
    await using synapse = await Synapse.start(join(folder, 'synapse'), tls)
    const theirs = {
      sequential: await sendsPerSecond(synapse.clientUrl, 1, 'b'),
      ten: await sendsPerSecond(synapse.clientUrl, 10, 'b'),
    }
    line('sequential', ours.sequential, theirs.sequential)
    line('10 senders', ours.ten, theirs.ten)
    expect(ours.sequential / theirs.sequential).toBeGreaterThanOrEqual(8)
    expect(ours.ten / theirs.ten).toBeGreaterThanOrEqual(15)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
})
