const pageBits = 12
const pageSize = 2 ** pageBits
const words = pageSize / 32

interface Page {
  readonly bits: Uint32Array
  /** How many row ids stand before each word, in all pages. */
  readonly before: Uint32Array
}

/**
 * A set of row ids that knows the place of each in ascending order: a bit for each id, in pages, because a room's ids
 * are many and lie close together. First everything is added, then `rank` is called, then `get` tells places.
 */
export class NidRanks {
  readonly #pages: (Page | undefined)[]

  /** Takes row ids from 0 to `highest`. */
  constructor(highest: number) {
    this.#pages = Array.from({ length: Math.floor(highest / pageSize) + 1 })
  }

  /** Whether the row id is new. */
  add(nid: number): boolean {
    const number = Math.floor(nid / pageSize)
    const page = (this.#pages[number] ??= { bits: new Uint32Array(words), before: new Uint32Array(words) })
    const place = nid - number * pageSize
    const word = page.bits[place >>> 5] as number
    const bit = 1 << (place & 31)
    if ((word & bit) !== 0) return false
    page.bits[place >>> 5] = word | bit
    return true
  }

  /** Visits all row ids from the highest down; what the visitor adds below the one that it is at is visited too. */
  descend(visit: (nid: number) => void): void {
    for (let number = this.#pages.length - 1; number >= 0; number--) {
      const bits = this.#pages[number]?.bits
      if (bits === undefined) continue
      for (let w = words - 1; w >= 0; w--) {
        for (let word = bits[w] as number; word !== 0;) {
          const bit = 31 - Math.clz32(word)
          visit(number * pageSize + w * 32 + bit)
          word = (bits[w] as number) & ((1 << bit) - 1)
        }
      }
    }
  }

  /** Gives each row id its place; afterwards nothing may be added. Returns how many there are. */
  rank(): number {
    let count = 0
    for (const page of this.#pages) {
      if (page === undefined) continue
      for (let w = 0; w < words; w++) {
        page.before[w] = count
        count += countBits(page.bits[w] as number)
      }
    }
    return count
  }

  /** The place of a row id, undefined where it was not added. */
  get(nid: number): number | undefined {
    const number = Math.floor(nid / pageSize)
    const page = this.#pages[number]
    if (page === undefined) return undefined
    const place = nid - number * pageSize
    const word = page.bits[place >>> 5] as number
    const bit = 1 << (place & 31)
    return (word & bit) === 0 ? undefined : (page.before[place >>> 5] as number) + countBits(word & (bit - 1))
  }
}

function countBits(word: number): number {
  const pairs = word - ((word >>> 1) & 0x55555555)
  const fours = (pairs & 0x33333333) + ((pairs >>> 2) & 0x33333333)
  return (((fours + (fours >>> 4)) & 0x0f0f0f0f) * 0x01010101) >>> 24
}
