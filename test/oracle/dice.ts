/** Choices that follow from a number alone (mulberry32), so that a case is replayed and shrunk by its numbers. */
export class Dice {
  #state: number

  constructor(seed: number) {
    this.#state = seed >>> 0
  }

  /** An integer from 0 to below `sides`. */
  roll(sides: number): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0
    let t = this.#state
    t = Math.imul(t ^ (t >>> 15), t | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) % sides
  }

  /** True in so many of a hundred throws. */
  chance(percent: number): boolean {
    return this.roll(100) < percent
  }

  of<T>(list: readonly T[]): T {
    const chosen = list[this.roll(list.length)]
    if (list.length === 0) throw new Error('nothing to choose from')
    return chosen as T
  }
}
