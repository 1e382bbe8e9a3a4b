import { test } from 'vitest'
import { RoomsWorld } from '../support/rooms-world.ts'
import { appendLocal } from '../../src/rooms/append-local.ts'
import { makeRoom, join, say, SyncClient } from './sync/sync-client.ts'
import { Session } from 'node:inspector/promises'
import { writeFileSync } from 'node:fs'
async function profiled(name: string, fn: () => Promise<void>) {
  const session = new Session(); session.connect()
  await session.post('Profiler.enable'); await session.post('Profiler.setSamplingInterval', { interval: 200 }); await session.post('Profiler.start')
  await fn()
  const { profile } = await session.post('Profiler.stop')
  session.disconnect()
  const self = new Map<string, number>(); const total = new Map<string, number>()
  const byId = new Map(profile.nodes.map((n) => [n.id, n])); const parent = new Map<number, number>()
  for (const n of profile.nodes) for (const c of n.children ?? []) parent.set(c, n.id)
  const deltas = profile.timeDeltas ?? []
  profile.samples!.forEach((id, i) => {
    const d = (deltas[i] ?? 0) / 1000
    const label = (n: any) => `${n.callFrame.functionName || '(anon)'} ${n.callFrame.url.split('/').slice(-2).join('/')}:${n.callFrame.lineNumber}`
    const node = byId.get(id)!
    self.set(label(node), (self.get(label(node)) ?? 0) + d)
    const seen = new Set<string>()
    for (let at: number | undefined = id; at !== undefined; at = parent.get(at)) { const l = label(byId.get(at)!); if (!seen.has(l)) { seen.add(l); total.set(l, (total.get(l) ?? 0) + d) } }
  })
  const top = (m: Map<string, number>, n: number) => [...m].sort((a, b) => b[1] - a[1]).slice(0, n).map(([l, v]) => `${v.toFixed(1).padStart(8)} ${l}`).join('\n')
  writeFileSync(`/tmp/prof-${name}.txt`, `SELF\n${top(self, 45)}\nTOTAL\n${top(total, 90)}\n`)
}
const N = Number(process.env.ROOMS ?? 500)
test('bench', { timeout: 600_000 }, async () => {
  await using world = await RoomsWorld.start('a.test')
  const users = []
  for (let i = 0; i < 20; i++) users.push(await world.server('a.test').user(`u${i}`))
  const alice = users[0]!
  const { deps } = world.server('a.test').composed
  const rooms: string[] = []
  let t = performance.now()
  for (let r = 0; r < N; r++) {
    const room = await makeRoom(alice, { name: r % 2 ? `room ${r}` : undefined })
    rooms.push(room)
    await deps.database.write(async (tx) => {
      for (const u of users.slice(1)) await appendLocal(tx, deps, await deps.roomCache.forWrite(tx, room as any), { type: 'm.room.member', stateKey: u.id, content: { membership: 'join', displayname: u.id }, sender: u.id })
      for (let i = 0; i < 12; i++) await appendLocal(tx, deps, await deps.roomCache.forWrite(tx, room as any), { type: 'm.room.message', content: { msgtype: 'm.text', body: `hello ${i}` }, sender: users[i % 20]!.id })
    })
  }
  console.log('setup', Math.round(performance.now() - t), 'ms')
  const lazy = { room: { state: { lazy_load_members: true }, timeline: { limit: 10 } } }
  for (let i = 0; i < 4; i++) {
    t = performance.now()
    const client = new SyncClient(users[i % 2 ? 0 : 1]!, { filter: lazy })
    if (i === 3) await profiled('initial', async () => void (await client.sync()))
    else await client.sync()
    console.log('initial', Math.round(performance.now() - t), 'ms')
  }
  {
    deps.roomCache.clear()
    t = performance.now()
    await new SyncClient(users[2]!, { filter: lazy }).sync()
    console.log('initial, cold room cache', Math.round(performance.now() - t), 'ms')
  }
  const client = new SyncClient(alice, { filter: lazy })
  await client.sync()
  const bob = users[1]!
  let sum = 0
  await profiled('incremental', async () => { for (let i = 0; i < 300; i++) {
    await say(bob, rooms[i % N]!, 'x')
    const c = process.cpuUsage()
    const s = performance.now()
    await client.sync()
    if (i >= 100) sum += performance.now() - s
  } })
  console.log('incremental', (sum / 200).toFixed(3), 'ms each, with http')
  // 200 polling readers = 20 users x 10 devices: same token
  const room = rooms[0]!
  const clients: SyncClient[] = []
  for (let i = 0; i < 200; i++) { const c = new SyncClient(users[1 + i % 19]!, { filter: lazy }); clients.push(c) }
  const firsts = new Map<string, string>()
  for (const c of clients) { if (!firsts.has(c.user.id)) { await c.sync(); firsts.set(c.user.id, c.next!) } c.next = firsts.get(c.user.id)! }
  const lat: number[] = []
  await profiled('wake', async () => {
  for (let i = 0; i < 20; i++) {
    const waits = clients.map(async (c) => { await c.sync({ timeout: 5000 }); return performance.now() })
    await new Promise((r) => setTimeout(r, 1000))
    const cpu = process.cpuUsage()
    const s = performance.now()
    await say(alice, room, 'to all')
    for (const d of await Promise.all(waits)) lat.push(d - s)
    const used = process.cpuUsage(cpu)
    if (i > 15) console.log('cpu per wake of 200', (used.user + used.system) / 1000, 'ms')
  }
  })
  lat.sort((a, b) => a - b)
  console.log('wake 200: p50', lat[lat.length >> 1]!.toFixed(1), 'p99', lat[Math.floor(lat.length * 0.99)]!.toFixed(1))
})
