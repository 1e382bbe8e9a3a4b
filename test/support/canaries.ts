import { randomBytes } from 'node:crypto'
import { closeSync, existsSync, openSync, readSync, readdirSync, statSync } from 'node:fs'
import { join, relative } from 'node:path'

/**
 * What may become of a canary: `gone`: stored somewhere before the erasure and nowhere after it; `fleeting`: perhaps
 * stored, nowhere after it; `never`: never stored or logged at all; any other word: may stay, where the erasure lists
 * this as kept.
 */
export type Fate = 'gone' | 'fleeting' | 'never' | (string & {})

/** Where a canary was seen. */
export interface Sighting {
  readonly name: string
  readonly file: string
  readonly how: string
  /** what stands around it, made printable */
  readonly around: string
}

interface Pattern {
  readonly how: string
  readonly bytes: Buffer
  /** the canary whose text begins at this place, if it is one */
  readonly read: (buffer: Buffer, at: number) => string | undefined
}

const digits = 3
const chunkSize = 4 * 1024 * 1024
const overlap = 4096

/** Texts that occur nowhere else, one for each thing that a person enters, and the search for them in raw bytes. */
export class Canaries {
  /** all canaries begin with it */
  readonly prefix = `kn${randomBytes(5).toString('hex')}q`
  readonly #names: string[] = []
  readonly #fates = new Map<string, Fate>()
  readonly #slices = new Map<string, Buffer>()

  /** The canary of this name: lower-case letters and digits; the same one when asked again. */
  of(name: string, fate: Fate = 'gone'): string {
    let index = this.#names.indexOf(name)
    if (index < 0) index = this.#names.push(name) - 1
    if (!this.#fates.has(name)) this.#fates.set(name, fate)
    return this.prefix + String(index).padStart(digits, '0')
  }

  /** Searches also for these bytes, such as a piece of a thumbnail. */
  addBytes(name: string, bytes: Uint8Array, fate: Fate = 'gone'): void {
    this.#slices.set(name, Buffer.from(bytes))
    this.#fates.set(name, fate)
  }

  /** The names of all, or of those with one of these fates. */
  names(...fates: Fate[]): string[] {
    return [...this.#fates].filter(([, fate]) => fates.length === 0 || fates.includes(fate)).map(([name]) => name)
  }

  fate(name: string): Fate | undefined {
    return this.#fates.get(name)
  }

  /** The canaries that a text holds, by name. */
  inText(text: string): string[] {
    const found = new Set<string>()
    for (let at = text.indexOf(this.prefix); at >= 0; at = text.indexOf(this.prefix, at + 1)) {
      found.add(this.#nameOf(text.slice(at + this.prefix.length, at + this.prefix.length + digits)))
    }
    return [...found]
  }

  /** Every sighting in the bytes of these files and of all files below these folders, at most one per name and file. */
  search(...places: string[]): Sighting[] {
    return places
      .filter((place) => existsSync(place))
      .flatMap((place) => {
        if (statSync(place).isFile()) return this.#searchFile(place, place)
        return filesBelow(place).flatMap((file) => this.#searchFile(file, relative(place, file)))
      })
  }

  #searchFile(path: string, shown: string): Sighting[] {
    const found = new Map<string, Sighting>()
    const patterns = this.#patterns()
    for (const { buffer, isLast } of chunks(path)) {
      // what stands too near the end is read whole with the next piece
      const end = isLast ? buffer.length : buffer.length - overlap / 2
      for (const { how, bytes, read } of patterns) {
        for (let at = buffer.indexOf(bytes); at >= 0 && at < end; at = buffer.indexOf(bytes, at + 1)) {
          const name = read(buffer, at)
          if (name === undefined || found.has(name)) continue
          found.set(name, {
            name,
            file: shown,
            how,
            around: printable(buffer.subarray(Math.max(0, at - 100), at + 60)),
          })
        }
      }
    }
    return [...found.values()]
  }

  #patterns(): Pattern[] {
    const { prefix } = this
    const nameAfter = (decode: (buffer: Buffer, at: number) => string) => (buffer: Buffer, at: number) => {
      const text = decode(buffer, at)
      return text.startsWith(prefix)
        ? this.#nameOf(text.slice(prefix.length, prefix.length + digits))
        : `${prefix}, cut off`
    }
    const length = prefix.length + digits
    const plain: Pattern[] = [
      {
        how: 'UTF-8',
        bytes: Buffer.from(prefix),
        read: nameAfter((buffer, at) => buffer.toString('latin1', at, at + length)),
      },
      {
        how: 'UTF-16',
        bytes: Buffer.from(prefix, 'utf16le'),
        read: nameAfter((buffer, at) => buffer.toString('utf16le', at, at + 2 * length)),
      },
      {
        how: 'hex',
        bytes: Buffer.from(Buffer.from(prefix).toString('hex')),
        read: nameAfter((buffer, at) => Buffer.from(buffer.toString('latin1', at, at + 2 * length), 'hex').toString()),
      },
    ]
    // Of a text inside base64 only the groups that hold nothing before it are known.
    const base64 = [0, 1, 2].map((shift): Pattern => {
      const known = Buffer.from(prefix).subarray((3 - shift) % 3)
      const whole = known.subarray(0, known.length - (known.length % 3))
      return { how: 'base64', bytes: Buffer.from(whole.toString('base64')), read: () => `${prefix} in base64` }
    })
    const slices = [...this.#slices].map(([name, bytes]): Pattern => ({ how: 'bytes', bytes, read: () => name }))
    return [...plain, ...base64, ...slices]
  }

  #nameOf(number: string): string {
    return this.#names[Number(number)] ?? `${this.prefix}${number}`
  }
}

function* chunks(path: string): Generator<{ buffer: Buffer; isLast: boolean }> {
  let file: number
  try {
    file = openSync(path, 'r')
  } catch {
    return // deleted since it was listed
  }
  try {
    const buffer = Buffer.alloc(chunkSize + overlap)
    let kept = 0
    for (;;) {
      const read = readSync(file, buffer, kept, chunkSize, null)
      const filled = kept + read
      yield { buffer: buffer.subarray(0, filled), isLast: read < chunkSize }
      if (read < chunkSize) return
      kept = Math.min(overlap, filled)
      buffer.copy(buffer, 0, filled - kept, filled)
    }
  } finally {
    closeSync(file)
  }
}

function filesBelow(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name)
    if (entry.isDirectory()) return filesBelow(path)
    return entry.isFile() ? [path] : []
  })
}

const printable = (bytes: Buffer) => bytes.toString('latin1').replace(/[^ -~]/g, '·')
