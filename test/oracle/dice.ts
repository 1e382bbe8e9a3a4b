import { Seeded } from '../support/seeded.ts'

/** Choices that follow from a number alone, so that a case is replayed and shrunk by its numbers. */
export class Dice {
  readonly #seeded: Seeded

  constructor(seed: number) {
    this.#seeded = new Seeded(seed)
  }

  /** An integer from 0 to below `sides`. */
  roll(sides: number): number {
    return this.#seeded.bits() % sides
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
