/** Something that happened to a file or folder, and from when on it is durable. */
export interface Change {
  readonly begin: number
  /** Infinity where it never ended */
  end: number
  /** the first end of a sync that covers it; Infinity where there is none */
  durableFrom?: number
}

/** Bytes at an offset; without bytes the file ends there. */
export interface FileChange extends Change {
  readonly offset: number
  readonly data: Buffer | undefined
}

/** The bytes of a file after these changes. */
export function contentOf(changes: readonly FileChange[]): Buffer {
  const inode = new Inode('file')
  for (const change of changes) inode.change({ ...change, durableFrom: 0 })
  const { bytes, size } = inode.at(0)
  return bytes.subarray(0, size)
}

/** A name in a folder, or without inode that it is gone. */
export interface NameChange extends Change {
  readonly name: string
  readonly inode: Inode | undefined
  /** the other half of a rename: what is named elsewhere is not lost here before it is there */
  readonly after: NameChange | undefined
}

/** A file or folder, whatever its name, with everything that was done to it. */
export class Inode {
  readonly kind: 'file' | 'folder'
  readonly changes: FileChange[] = []
  readonly renames: NameChange[] = []
  readonly syncs: { readonly begin: number; readonly end: number }[] = []
  /** names when all is written */
  readonly names = new Map<string, Inode>()
  /** bytes when all is written */
  size = 0
  readonly #base = { bytes: Buffer.alloc(0), size: 0, changes: 0 }

  constructor(kind: 'file' | 'folder') {
    this.kind = kind
  }

  change(change: FileChange): void {
    this.changes.push(change)
    this.size = change.data === undefined ? change.offset : Math.max(this.size, change.offset + change.data.length)
  }

  rename(change: NameChange): void {
    this.renames.push(change)
    if (change.inode === undefined) this.names.delete(change.name)
    else this.names.set(change.name, change.inode)
  }

  /** Works out from when on each change is durable. */
  settle(): void {
    const syncs = this.syncs.toSorted((a, b) => b.begin - a.begin)
    for (const change of [...this.changes, ...this.renames]) {
      change.durableFrom = Infinity
      for (const sync of syncs) {
        if (sync.begin < change.end) break
        change.durableFrom = Math.min(change.durableFrom, sync.end)
      }
    }
  }

  /**
   * The bytes at a moment with what is durable, and the changes after that which had begun. Moments may only grow from
   * call to call.
   */
  at(moment: number): { bytes: Buffer; size: number; open: readonly FileChange[] } {
    const base = this.#base
    for (; base.changes < this.changes.length; base.changes++) {
      const change = this.changes[base.changes] as FileChange
      if ((change.durableFrom ?? Infinity) > moment) break
      this.#apply(change)
    }
    const open: FileChange[] = []
    for (let i = base.changes; i < this.changes.length; i++) {
      const change = this.changes[i] as FileChange
      if (change.begin >= moment) break
      open.push(change)
    }
    return { bytes: base.bytes, size: base.size, open }
  }

  #apply({ offset, data }: FileChange): void {
    const base = this.#base
    if (data === undefined) {
      base.bytes.fill(0, offset)
      base.size = offset
      return
    }
    const size = Math.max(base.size, offset + data.length)
    if (size > base.bytes.length) {
      const larger = Buffer.alloc(Math.max(size, base.bytes.length * 2))
      base.bytes.copy(larger, 0, 0, base.size)
      base.bytes = larger
    }
    data.copy(base.bytes, offset)
    base.size = size
  }
}
