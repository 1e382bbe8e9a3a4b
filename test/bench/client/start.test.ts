import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { LetheProcess } from '../../support/lethe-process.ts'
import { conditions, cpuMs, driveSends, memoryMb } from '../../support/load.ts'
import { registerMany, roomOf } from './peers.ts'

const runs = 5

test('start: processor time until it answers, memory idle and loaded', { timeout: 300_000 }, async () => {
  const folder = mkdtempSync(join(tmpdir(), 'lethe-bench-'))
  try {
    const lethe = await LetheProcess.prepare({ folder })
    const starts: { cpu: number; wall: number; idle: number }[] = []
    let loaded = 0
    for (let i = 0; i < runs; i++) {
      const from = performance.now()
      await lethe.start()
      const [cpu, wall] = [cpuMs(lethe.pid), performance.now() - from]
      await pause(4000)
      starts.push({ cpu, wall, idle: memoryMb(lethe.pid).now })
      if (i === 0) {
        const clients = await registerMany(lethe.clientUrl, 50, 'loader')
        const room = await roomOf(clients)
        const senders = clients.map(({ token }) => ({ token: token as string, room, label: 'load' }))
        await driveSends({ url: lethe.clientUrl, senders, seconds: 15 })
        loaded = memoryMb(lethe.pid).most
      }
      await lethe.stop('SIGKILL')
    }
    console.log(`start and memory, the later starts after kill -9 under load: ${conditions()}`)
    for (const { cpu, wall, idle } of starts)
      console.log(
        `start: ${cpu} ms of processor time, ${wall.toFixed(0)} ms in all; idle after 4 s ${idle.toFixed(0)} MB`,
      )
    console.log(`loaded (15 s of 50 senders): ${loaded.toFixed(0)} MB at most`)
    expect.soft(Math.min(...starts.map(({ cpu }) => cpu))).toBeLessThanOrEqual(500)
    expect.soft(Math.max(...starts.map(({ idle }) => idle))).toBeLessThanOrEqual(95)
    expect.soft(loaded).toBeLessThanOrEqual(300)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
})
