/** A priority queue: `pop` gives the value that comes before all others. */
export class Heap<T> {
  readonly #values: T[] = []
  readonly #before: (x: T, y: T) => boolean

  constructor(before: (x: T, y: T) => boolean) {
    this.#before = before
  }

  push(value: T): void {
    const values = this.#values
    let at = values.length
    values.push(value)
    while (at > 0) {
      const parent = (at - 1) >> 1
      const above = values[parent] as T
      if (!this.#before(value, above)) break
      values[at] = above
      at = parent
    }
    values[at] = value
  }

  pop(): T | undefined {
    const values = this.#values
    const top = values[0]
    const last = values.pop()
    if (last === undefined || values.length === 0) return top
    let at = 0
    for (;;) {
      let child = 2 * at + 1
      if (child >= values.length) break
      if (child + 1 < values.length && this.#before(values[child + 1] as T, values[child] as T)) child++
      if (!this.#before(values[child] as T, last)) break
      values[at] = values[child] as T
      at = child
    }
    values[at] = last
    return top
  }
}
