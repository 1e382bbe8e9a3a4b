/** Writes whole numbers from 0 up as varints: 7 bits a byte, the lowest first. */
export class PackWriter {
  #bytes = Buffer.allocUnsafe(64)
  #length = 0

  /** A whole number from 0 to 2^53 − 1. */
  write(value: number): void {
    if (this.#length + 8 > this.#bytes.length) this.#grow()
    let left = value
    while (left > 127) {
      this.#bytes[this.#length++] = (left % 128) | 128
      left = Math.floor(left / 128)
    }
    this.#bytes[this.#length++] = left
  }

  /** A whole number of either sign, small ones short. */
  writeSigned(value: number): void {
    this.write(value < 0 ? -2 * value - 1 : 2 * value)
  }

  finish(): Buffer {
    return Buffer.from(this.#bytes.subarray(0, this.#length))
  }

  #grow(): void {
    const larger = Buffer.allocUnsafe(this.#bytes.length * 2)
    this.#bytes.copy(larger)
    this.#bytes = larger
  }
}

/** Reads what `PackWriter` wrote. */
export class PackReader {
  readonly #bytes: Uint8Array
  #at = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
  }

  get isAtEnd(): boolean {
    return this.#at >= this.#bytes.length
  }

  read(): number {
    let value = 0
    for (let scale = 1; ; scale *= 128) {
      const byte = this.#bytes[this.#at++]
      if (byte === undefined) throw new RangeError('packed numbers end too early')
      value += (byte & 127) * scale
      if (byte < 128) return value
    }
  }

  readSigned(): number {
    const value = this.read()
    return value % 2 === 0 ? value / 2 : -(value + 1) / 2
  }
}

/** Packs row ids; their order is not kept. */
export function packNids(nids: Iterable<number>): Buffer {
  const writer = new PackWriter()
  let before = 0
  for (const nid of Float64Array.from(new Set(nids)).sort()) {
    writer.write(nid - before)
    before = nid
  }
  return writer.finish()
}

/** The row ids that `packNids` packed, ascending; none for null. */
export function unpackNids(bytes: Uint8Array | null): number[] {
  if (bytes === null) return []
  const reader = new PackReader(bytes)
  const nids: number[] = []
  let nid = 0
  while (!reader.isAtEnd) nids.push((nid += reader.read()))
  return nids
}
