import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ApiClient } from '../../support/api-client.ts'
import { LetheProcess } from '../../support/lethe-process.ts'
import { driveSends } from '../../support/load.ts'
import { Synapse, synapseMissing } from '../../support/synapse.ts'
import { makeTls } from '../../support/tls.ts'

/** Either server, as far as a benchmark cares. */
export interface Peer {
  readonly clientUrl: string
  readonly pid: number | undefined
}

/** Measures Lethe, then Synapse where there is one, each alone on the machine, on fresh data. */
export async function besideSynapse<R>(
  measure: (peer: Peer, name: 'Lethe' | 'Synapse') => Promise<R>,
): Promise<{ ours: R; theirs: R | undefined }> {
  const folder = mkdtempSync(join(tmpdir(), 'lethe-bench-'))
  try {
    const tls = makeTls(folder)
    let ours: R
    {
      await using lethe = await LetheProcess.start({ folder: join(folder, 'lethe'), tls })
      ours = await measure(lethe, 'Lethe')
    }
    const missing = synapseMissing()
    if (missing !== undefined) {
      console.log(`no ratio, so no aim with × is judged: ${missing}`)
      return { ours, theirs: undefined }
    }
    await using synapse = await Synapse.start(join(folder, 'synapse'), tls)
    return { ours, theirs: await measure(synapse, 'Synapse') }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** Makes accounts, a few at once. */
export async function registerMany(url: string, count: number, label: string): Promise<ApiClient[]> {
  const clients: ApiClient[] = []
  for (let i = 0; i < count; i += 8) {
    const some = Array.from({ length: Math.min(8, count - i) }, (_, k) =>
      new ApiClient(url).register(`${label}-${i + k}`),
    )
    clients.push(...(await Promise.all(some)))
  }
  return clients
}

/** A public room of the first client that all others join. */
export async function roomOf(clients: readonly ApiClient[]): Promise<string> {
  const [first, ...others] = clients as [ApiClient, ...ApiClient[]]
  const room = await first.createRoom({ preset: 'public_chat', room_version: '11' })
  for (let i = 0; i < others.length; i += 4) await Promise.all(others.slice(i, i + 4).map((other) => other.join(room)))
  return room
}

/** Makes so many rooms of all clients, with 12 messages by 4 of them in each. */
export async function fillRooms(url: string, clients: readonly ApiClient[], count: number): Promise<void> {
  for (let i = 0; i < count; i += 4) {
    const made = await Promise.all(Array.from({ length: Math.min(4, count - i) }, () => roomOf(clients)))
    for (const room of made) {
      const senders = clients.slice(0, 4).map(({ token }, k) => ({ token: token as string, room, label: `fill${k}` }))
      await driveSends({ url, senders, seconds: 600, total: 12 })
    }
  }
}

/** Paths of initial lazy `/sync`s with filters that differ in nothing that matters, so that no answer is one that was kept. */
export function syncPaths(count: number): string[] {
  return Array.from({ length: count }, (_, i) => {
    const filter = { room: { state: { lazy_load_members: true }, timeline: { limit: 10, not_types: [`never.${i}`] } } }
    return `/_matrix/client/v3/sync?filter=${encodeURIComponent(JSON.stringify(filter))}`
  })
}
