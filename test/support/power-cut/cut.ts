import { cpSync, mkdirSync, rmSync } from 'node:fs'
import { join, relative } from 'node:path'
import { answersOf, promisesOf } from './answers.ts'
import type { Promised } from './answers.ts'
import { ImageCheck } from './check.ts'
import type { Faults } from './check.ts'
import { writeImage } from './image.ts'
import type { Recording } from './record.ts'
import { startOn } from './start.ts'

/** One power cut of a recording. */
export interface Cut {
  readonly number: number
  readonly moment: number
  readonly promised: readonly Promised[]
  /** writes that no sync had covered */
  readonly open: number
  readonly faults: Faults
}

/** A small generator of random numbers in [0, 1) (mulberry32). */
export function randomFrom(seed: number): () => number {
  let state = Math.trunc(seed) >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

/** How often and where to cut. */
export interface CutOptions {
  readonly count: number
  readonly seed: number
  /** for the images, one at a time */
  readonly folder: string
  /** of so many images the built server is started too; none unless given */
  readonly starts?: number
}

/**
 * Cuts the power `count` times, half of them right after something was promised, and checks what is left: each image is
 * opened as a start of the server opens it, and of some the server itself is started.
 */
export async function cutPower(recording: Recording, { count, seed, folder, starts = 0 }: CutOptions): Promise<Cut[]> {
  const { disk } = recording
  const promises = promisesOf(answersOf(disk), recording.told.erased)
  const random = randomFrom(seed)
  const moments = Array.from({ length: count }, (_, i) => {
    const promise = promises[Math.floor(random() * promises.length)]
    return (i % 2 === 0 && promise !== undefined ? promise.begin : Math.floor(random() * disk.end)) + 0.5
  }).toSorted((a, b) => a - b)
  const check = new ImageCheck(recording)
  const cuts: Cut[] = []
  for (const [number, moment] of moments.entries()) {
    const image = join(folder, `image-${number}`)
    mkdirSync(image, { recursive: true })
    const { open } = writeImage(disk.root, moment, randomFrom(seed * 100_003 + number), image)
    const data = join(image, relative(disk.path, recording.dataFolder))
    const promised = promises.filter(({ begin }) => begin < moment)
    const isStarted = Math.floor((number * starts) / count) !== Math.floor(((number + 1) * starts) / count)
    if (isStarted) cpSync(image, `${image}-server`, { recursive: true })
    const faults = await check.faultsOf(data, promised)
    if (isStarted) {
      const own = join(`${image}-server`, relative(disk.path, recording.dataFolder))
      faults.broken.push(...(await startOn(recording, own, promised)))
      rmSync(`${image}-server`, { recursive: true, force: true })
    }
    cuts.push({ number, moment, promised, open, faults })
    rmSync(image, { recursive: true, force: true })
  }
  return cuts
}
