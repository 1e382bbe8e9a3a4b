import { Worker } from 'node:worker_threads'
import type { Clock } from '../util/ports.ts'

/** One picture to scale. */
export interface ScaleJob {
  readonly path: string
  readonly width: number
  readonly height: number
  readonly method: 'crop' | 'scale'
  readonly animated: boolean
}

/**
 * A scaled picture; or why there is none: it is smaller than asked for, and of this type; too large to decode; no picture;
 * or too many are waiting.
 */
export type Scaled =
  | { readonly bytes: Uint8Array; readonly contentType: string }
  | { readonly refusal: 'small'; readonly contentType: string }
  | { readonly refusal: 'too large' | 'unsupported' | 'busy' }

interface Waiting {
  readonly job: ScaleJob
  readonly done: (result: Scaled) => void
}

const maxPixels = 32_000_000
const jobMs = 20_000
const maxWaiting = 100
// A decoded picture has 128 MB outside of the thread's own heap.
const atOnce = 2

/** Scales pictures in a worker thread with limits of memory and time; started when first needed, made anew when it dies. */
export class Thumbnailer {
  readonly #clock: Clock
  #worker: Worker | undefined
  #nextId = 1
  readonly #queue: Waiting[] = []
  readonly #running = new Map<number, (result: Scaled) => void>()
  readonly #known = new Map<string, Promise<Scaled>>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Scales one picture; who asks for the same meanwhile gets the same. Never throws: what cannot be scaled is a refusal. */
  scale(job: ScaleJob): Promise<Scaled> {
    const key = JSON.stringify([job.path, job.width, job.height, job.method, job.animated])
    const known = this.#known.get(key)
    if (known !== undefined) return known
    if (this.#queue.length >= maxWaiting) return Promise.resolve({ refusal: 'busy' })
    const made = new Promise<Scaled>((done) => {
      this.#queue.push({ job, done })
      this.#next()
    }).finally(() => this.#known.delete(key))
    this.#known.set(key, made)
    return made
  }

  async stop(): Promise<void> {
    const worker = this.#worker
    this.#worker = undefined
    for (const { done } of this.#queue.splice(0)) done({ refusal: 'busy' })
    this.#refuseRunning()
    await worker?.terminate()
  }

  #next(): void {
    while (this.#running.size < atOnce) {
      const waiting = this.#queue.shift()
      if (waiting === undefined) return
      const worker = (this.#worker ??= this.#start())
      const id = this.#nextId++
      const cancel = this.#clock.setTimer(jobMs, () => this.#restart(worker))
      this.#running.set(id, (result) => {
        cancel()
        waiting.done(result)
      })
      worker.postMessage({ id, ...waiting.job, maxPixels })
    }
  }

  #start(): Worker {
    const worker = new Worker(new URL('./thumbnail-worker.mjs', import.meta.url), {
      resourceLimits: { maxOldGenerationSizeMb: 256 },
    })
    worker.unref()
    worker.on('message', ({ id, ...result }: { id: number } & Scaled) => {
      const done = this.#running.get(id)
      this.#running.delete(id)
      done?.(result)
      this.#next()
    })
    worker.on('error', () => this.#restart(worker))
    worker.on('exit', () => this.#restart(worker))
    return worker
  }

  #restart(worker: Worker): void {
    if (this.#worker !== worker) return
    this.#worker = undefined
    this.#refuseRunning()
    void worker.terminate()
    this.#next()
  }

  #refuseRunning(): void {
    const all = [...this.#running.values()]
    this.#running.clear()
    for (const done of all) done({ refusal: 'unsupported' })
  }
}
