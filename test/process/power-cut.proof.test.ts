import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { cutPower } from '../support/power-cut/cut.ts'
import type { Cut } from '../support/power-cut/cut.ts'
import type { RecordedDisk } from '../support/power-cut/disk.ts'
import { contentOf } from '../support/power-cut/inode.ts'
import type { Inode } from '../support/power-cut/inode.ts'
import { isVolatile } from '../support/power-cut/disk.ts'
import { commitsOf, earlyPromises, logsOf } from '../support/power-cut/log-commits.ts'
import { checkStrace, record } from '../support/power-cut/record.ts'
import type { Recording } from '../support/power-cut/record.ts'
import { scale, seed } from '../support/scale.ts'

const unable = checkStrace()
const images = scale(20, 400)
const messages = scale(80, 800)
const chosen = seed(1)
/** so many of the images are given to the built server too */
const starts = scale(0, 8)
/** A record that a failed run left, to be replayed instead of a new one. */
const kept = process.env['LETHE_POWER_CUT_RECORD']
const folder = kept ?? mkdtempSync(join(tmpdir(), 'lethe-power-cut-'))
// images are written and deleted faster in memory
const imageParent = existsSync('/dev/shm') ? '/dev/shm' : tmpdir()
const isFull = process.env['LETHE_FULL'] === '1'

const isBad = ({ faults }: Cut) => faults.lost.length + faults.broken.length > 0
const shown = (cuts: readonly Cut[]) =>
  cuts.slice(0, 5).map(({ number, moment, faults }) => ({
    number,
    moment,
    lost: faults.lost.slice(0, 3),
    broken: faults.broken.slice(0, 3),
  }))

describe.skipIf(unable !== undefined)('a power cut', () => {
  const imageFolder = mkdtempSync(join(imageParent, 'lethe-images-'))
  let recording: Recording
  let green = 0
  beforeAll(async () => {
    recording = await record(folder, { messages, isLong: isFull })
  }, 120_000)
  afterAll(() => {
    rmSync(imageFolder, { recursive: true, force: true })
    if (green === 3 && kept === undefined) rmSync(folder, { recursive: true, force: true })
    else console.log(`replay with LETHE_POWER_CUT_RECORD=${folder} LETHE_SEED=${chosen}`)
  })

  test('the record is complete: all of it is the files as they are', () => {
    const compare = (inode: Inode, path: string) => {
      for (const [name, each] of inode.names) {
        if (isVolatile(name)) continue
        if (each.kind === 'folder') compare(each, join(path, name))
        else {
          // the kill may have come before what a call had begun to write was written
          const ended = each.changes.filter(({ end }) => end !== Infinity)
          const file = readFileSync(join(path, name))
          expect(
            [each.changes, ended].some((changes) => contentOf(changes).equals(file)),
            name,
          ).toBe(true)
        }
      }
    }
    compare(recording.disk.root, recording.disk.path)
    expect(existsSync(join(recording.dataFolder, 'lethe.db-wal'))).toBe(true)
    green++
  })

  test('no answer before its sync', () => {
    const { disk, dataFolder } = recording
    const logs = logsOf(disk, dataFolder, 'lethe.db')
    const commits = logs.flatMap((log) => commitsOf(log))
    expect(earlyPromises(recording, commits)).toEqual([])
    // and the moments that matter were there: a second log, logs begun anew, commits while the database was written
    expect(logs.length).toBe(2)
    const begun = commits.filter(({ isFirst }) => isFirst).length
    if (isFull) expect(begun).toBeGreaterThan(2)
    const during = commits.filter(({ end }) =>
      checkpoints(disk, dataFolder).some(([from, to]) => from < end && end < to),
    )
    if (isFull) expect(during.length).toBeGreaterThan(10)
    green++
    console.log(`${commits.length} commits, ${during.length} of them during checkpoints; ` + `${begun} times a new log`)
  })

  test(`${images} images hold every promise, and nothing by halves`, async () => {
    const from = performance.now()
    const cuts = await cutPower(recording, { count: images, seed: chosen, folder: imageFolder, starts })
    const open = cuts.filter((cut) => cut.open > 0).length
    console.log(
      `${images} images in ${Math.round(performance.now() - from)} ms, ${open} with unsynced writes, seed ${chosen}`,
    )
    expect(shown(cuts.filter(isBad))).toEqual([])
    expect(open).toBeGreaterThan(images / 4)
    green++
  }, 300_000)
})

/** A server that is wrong on purpose, so that it is known that the images above would show it. */
describe.skipIf(unable !== undefined || !isFull)('a power cut of a server', () => {
  let early = 0
  const cutsOf = async (preload: string, messageCount: number) => {
    const place = mkdtempSync(join(tmpdir(), 'lethe-power-cut-red-'))
    const images = mkdtempSync(join(imageParent, 'lethe-images-'))
    const url = new URL(`../support/power-cut/${preload}`, import.meta.url)
    try {
      const red = await record(place, {
        messages: messageCount,
        isLong: true,
        env: { NODE_OPTIONS: `--import ${url.href}` },
      })
      const commits = logsOf(red.disk, red.dataFolder, 'lethe.db').flatMap((log) => commitsOf(log))
      early = earlyPromises(red, commits).length
      return await cutPower(red, { count: 400, seed: chosen, folder: images })
    } finally {
      rmSync(place, { recursive: true, force: true })
      rmSync(images, { recursive: true, force: true })
    }
  }
  const count = (cuts: readonly Cut[], kind: 'lost' | 'broken') =>
    cuts.filter(({ faults }) => faults[kind].length > 0).length

  test('that answers by a sync under way: acknowledged events are lost', async () => {
    const cuts = await cutsOf('early-answers.mjs', 900)
    console.log(
      `answers by a sync under way: ${count(cuts, 'lost')} of ${cuts.length} images lost something promised; ${early} answers before their sync`,
    )
    expect(count(cuts, 'lost')).toBeGreaterThan(10)
    expect(early).toBeGreaterThan(100)
  }, 300_000)

  test('with synchronous = OFF: the database is corrupt', async () => {
    const cuts = await cutsOf('no-sync.mjs', 500)
    console.log(`synchronous = OFF: ${count(cuts, 'broken')} of ${cuts.length} images are corrupt`)
    expect(count(cuts, 'broken')).toBeGreaterThan(10)
  }, 300_000)
})

/** From the first write of a checkpoint to the database to the end of its sync. */
function checkpoints(disk: RecordedDisk, dataFolder: string): [number, number][] {
  const begins = new Map<number, number>()
  for (const { begin, durableFrom = Infinity } of disk.find(join(dataFolder, 'lethe.db'))?.changes ?? [])
    begins.set(durableFrom, Math.min(begin, begins.get(durableFrom) ?? Infinity))
  return [...begins].map(([to, from]): [number, number] => [from, to]).filter(([, to]) => to !== Infinity)
}
