import { createHash } from 'node:crypto'
import type { Random } from '../../../src/util/ports.ts'

/** A stream of numbers made of a text: the same text gives the same numbers, other texts unrelated ones. */
export class Seeded implements Random {
  readonly #label: string
  readonly #state: Uint32Array

  constructor(label: string) {
    this.#label = label
    const digest = createHash('sha256').update(label).digest()
    this.#state = Uint32Array.from([0, 4, 8, 12], (at) => digest.readUInt32LE(at))
  }

  /** Another stream, which nothing that happens to this one changes. */
  fork(label: string): Seeded {
    return new Seeded(`${this.#label}/${label}`)
  }

  /** 32 random bits (sfc32). */
  #next(): number {
    const s = this.#state
    const [a, b, c, d] = s as unknown as [number, number, number, number]
    const t = (a + b + d) >>> 0
    s[3] = d + 1
    s[0] = b ^ (b >>> 9)
    s[1] = c + (c << 3)
    s[2] = ((c << 21) | (c >>> 11)) + t
    return t
  }

  bytes(length: number): Uint8Array {
    return Uint8Array.from({ length }, () => this.#next() & 255)
  }

  token(length: number): string {
    return Buffer.from(this.bytes(length)).toString('base64url')
  }

  integer(max: number): number {
    return Math.floor((this.#next() / 2 ** 32) * max)
  }

  /** A whole number from `least` to `most`, both included. */
  between(least: number, most: number): number {
    return least + this.integer(most - least + 1)
  }

  /** True with this probability. */
  chance(probability: number): boolean {
    return this.#next() / 2 ** 32 < probability
  }

  pick<T>(from: readonly T[]): T {
    if (from.length === 0) throw new Error('nothing to choose from')
    return from[this.integer(from.length)] as T
  }

  /** One of the names, as often as their weights say. */
  weighted<K extends string>(weights: Readonly<Record<K, number>>): K {
    const entries = Object.entries(weights) as [K, number][]
    let left = (this.#next() / 2 ** 32) * entries.reduce((sum, [, weight]) => sum + weight, 0)
    for (const [name, weight] of entries) if ((left -= weight) < 0) return name
    return entries[entries.length - 1]?.[0] as K
  }
}
