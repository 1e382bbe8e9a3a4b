import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { isFull, scale } from '../support/scale.ts'
import { playSchedule } from '../support/world/schedule.ts'
import { makeTemplate } from '../support/world/template.ts'
import { World, makeFolder } from '../support/world/world.ts'
import type { Template } from '../support/world/world.ts'

vi.mock('lru-cache', async (load) => (await import('../support/world/small-caches.ts')).smallCaches(load))

const folder = makeFolder()
const templates: Template[] = []

beforeAll(async () => {
  for (const count of [2, 3, 4]) templates.push(await makeTemplate(count))
}, 60_000)

afterAll(() => {
  for (const template of templates) World.remove(template.folder)
  World.remove(folder)
})

// LETHE_SEED=n plays one schedule, LETHE_FIRST=n begins with another one than the first, LETHE_FAILURES=n stops after so many
const only = process.env['LETHE_SEED']
const count = only === undefined ? scale(8, 2_000) : 1
const replays = scale(2, 40)
const first = Number(only ?? process.env['LETHE_FIRST'] ?? 1)

test(
  'a seed replays exactly: deliveries, faults, ids, order, and what is stored in the end',
  { timeout: 120_000 },
  async () => {
    for (let seed = first; seed < first + Math.min(count, replays); seed++) {
      const once = await playSchedule(seed, templates, folder)
      const again = await playSchedule(seed, templates, folder)
      const at = once.trace.findIndex((line, i) => line !== again.trace[i])
      expect({ seed, at, once: once.trace.slice(at, at + 3), again: again.trace.slice(at, at + 3) }).toMatchObject({
        at: -1,
      })
      expect(again.trace.length).toBe(once.trace.length)
    }
  },
)

test(`${count} schedules of whole servers with faults all converge`, { timeout: count * 2_000 + 60_000 }, async () => {
  const failed: string[] = []
  const cpu = process.cpuUsage()
  for (let seed = first; seed < first + count; seed++) {
    const { wrongs, notes } = await playSchedule(seed, templates, folder)
    if (wrongs.length === 0) continue
    const story = only === undefined ? [] : ['', ...notes]
    failed.push([`LETHE_SEED=${seed} replays this one:`, ...wrongs.slice(0, 12), ...story].join('\n  '))
    if (failed.length >= Number(process.env['LETHE_FAILURES'] ?? 5)) break
  }
  const { user, system } = process.cpuUsage(cpu)
  if (isFull())
    process.stdout.write(
      `seeds ${first} to ${first + count - 1}: ${((user + system) / 1e6 / count).toFixed(3)} s CPU each\n`,
    )
  expect(failed.join('\n')).toBe('')
})
