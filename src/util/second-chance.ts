interface Entry<V> {
  readonly value: V
  readonly size: number
  isUsed: boolean
}

/**
 * A cache of entries up to a size: the oldest goes first, but one that was asked for since it was last in turn stays for
 * another round. To find an entry is a look into a map; keeping a list in the order of use costs several times that.
 */
export class SecondChance<K, V> {
  readonly #maxSize: number
  readonly #sizeOf: (value: V) => number
  readonly #entries = new Map<K, Entry<V>>()
  #size = 0

  /** `maxSize`: of all entries together, in the unit of `sizeOf`. */
  constructor({ maxSize, sizeOf }: { readonly maxSize: number; readonly sizeOf: (value: V) => number }) {
    this.#maxSize = maxSize
    this.#sizeOf = sizeOf
  }

  get(key: K): V | undefined {
    const entry = this.#entries.get(key)
    if (entry === undefined) return undefined
    entry.isUsed = true
    return entry.value
  }

  set(key: K, value: V): void {
    this.delete(key)
    const size = this.#sizeOf(value)
    // one larger than all together is not worth the others
    if (size > this.#maxSize) return
    this.#shrink(this.#maxSize - size)
    this.#entries.set(key, { value, size, isUsed: false })
    this.#size += size
  }

  delete(key: K): void {
    const entry = this.#entries.get(key)
    if (entry === undefined) return
    this.#entries.delete(key)
    this.#size -= entry.size
  }

  clear(): void {
    this.#entries.clear()
    this.#size = 0
  }

  // ends: what stays for another round is not marked any more when its turn comes again
  #shrink(maxSize: number): void {
    for (const [key, entry] of this.#entries) {
      if (this.#size <= maxSize) return
      this.#entries.delete(key)
      if (entry.isUsed) this.#entries.set(key, { ...entry, isUsed: false })
      else this.#size -= entry.size
    }
  }
}
