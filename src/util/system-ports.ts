import { randomBytes, randomInt } from 'node:crypto'
import type { Ending } from './ending.ts'
import type { Clock, Random } from './ports.ts'

// setTimeout takes at most 2^31 - 1 ms and fires at once above it
const longestTimerMs = 2 ** 31 - 1

function setTimer(ms: number, fn: () => void): () => void {
  let handle: NodeJS.Timeout
  const arm = (left: number) => {
    const step = Math.min(left, longestTimerMs)
    handle = setTimeout(() => (left > step ? arm(left - step) : fn()), step)
    handle.unref()
  }
  arm(Math.max(0, ms))
  return () => clearTimeout(handle)
}

function sleep(ms: number, signal?: Ending): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason as Error)
    const abort = () => {
      cancel()
      signal?.removeEventListener('abort', abort)
      reject(signal?.reason as Error)
    }
    const cancel = setTimer(ms, () => {
      signal?.removeEventListener('abort', abort)
      resolve()
    })
    signal?.addEventListener('abort', abort)
  })
}

/** The machine's own time. */
export const systemClock: Clock = { now: () => Date.now(), monotonic: () => performance.now(), sleep, setTimer }

/** The platform's generator. */
export const systemRandom: Random = {
  bytes: (length) => randomBytes(length),
  token: (length) => randomBytes(length).toString('base64url'),
  integer: (max) => randomInt(max),
}

/** Keeps the process alive although nothing is going on; the function returned ends that. */
export function keepProcessAlive(): () => void {
  const handle = setInterval(() => {}, longestTimerMs)
  return () => clearInterval(handle)
}
