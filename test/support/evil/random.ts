/** Numbers that follow from a seed, and choices made with them. */
export class Seeded {
  #state: number

  constructor(seed: number) {
    this.#state = seed >>> 0
  }

  /** At least 0, less than `below`. */
  int(below: number): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0
    let t = this.#state
    t = Math.imul(t ^ (t >>> 15), t | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) % below
  }

  chance(one: number): boolean {
    return this.int(one) === 0
  }

  pick<T>(list: readonly T[]): T {
    return list[this.int(list.length)] as T
  }

  shuffled<T>(list: readonly T[]): T[] {
    const made = [...list]
    for (let i = made.length - 1; i > 0; i--) {
      const j = this.int(i + 1)
      ;[made[i], made[j]] = [made[j] as T, made[i] as T]
    }
    return made
  }

  text(length: number): string {
    return Array.from({ length }, () => String.fromCharCode(97 + this.int(26))).join('')
  }
}
