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

/** A scaled picture; or why there is none: it is smaller than asked for, too large to decode, or no picture. */
export type Scaled =
  | { readonly bytes: Uint8Array; readonly contentType: string }
  | { readonly refusal: 'small' | 'too large' | 'unsupported' }

const maxPixels = 32_000_000
const jobMs = 20_000
const maxWaiting = 50

/** Scales pictures in a worker thread with limits of memory and time; started when first needed, made anew when it dies. */
export class Thumbnailer {
  readonly #clock: Clock
  #worker: Worker | undefined
  #nextId = 1
  readonly #waiting = new Map<number, (result: Scaled) => void>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Scales one picture. Never throws: what cannot be scaled is a refusal. */
  async scale(job: ScaleJob): Promise<Scaled> {
    if (this.#waiting.size >= maxWaiting) return { refusal: 'unsupported' }
    const worker = (this.#worker ??= this.#start())
    const id = this.#nextId++
    return new Promise((resolve) => {
      const cancel = this.#clock.setTimer(jobMs, () => this.#restart(worker))
      this.#waiting.set(id, (result) => {
        cancel()
        resolve(result)
      })
      worker.postMessage({ id, ...job, maxPixels })
    })
  }

  async stop(): Promise<void> {
    const worker = this.#worker
    this.#worker = undefined
    this.#refuseAll()
    await worker?.terminate()
  }

  #start(): Worker {
    const worker = new Worker(new URL('./thumbnail-worker.mjs', import.meta.url), {
      resourceLimits: { maxOldGenerationSizeMb: 256 },
    })
    worker.unref()
    worker.on('message', ({ id, ...result }: { id: number } & Scaled) => {
      const resolve = this.#waiting.get(id)
      this.#waiting.delete(id)
      resolve?.(result)
    })
    worker.on('error', () => this.#restart(worker))
    worker.on('exit', () => this.#restart(worker))
    return worker
  }

  #restart(worker: Worker): void {
    if (this.#worker !== worker) return
    this.#worker = undefined
    this.#refuseAll()
    void worker.terminate()
  }

  #refuseAll(): void {
    const all = [...this.#waiting.values()]
    this.#waiting.clear()
    for (const resolve of all) resolve({ refusal: 'unsupported' })
  }
}
