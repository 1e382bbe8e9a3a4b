/** Values that are read once and shared by all who ask by the same key; for as long as what they are read from stands still. */
export class Memo<V> {
  readonly #made = new Map<string, Promise<V>>()

  /** The value of a key; `make` is called where nobody asked before. */
  of(key: string, make: () => Promise<V>): Promise<V> {
    let known = this.#made.get(key)
    if (known === undefined) this.#made.set(key, (known = make()))
    return known
  }
}
