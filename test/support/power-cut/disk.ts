import { dirname, basename } from 'node:path'
import { readCalls, stringsOf } from './calls.ts'
import type { Call } from './calls.ts'
import { Inode } from './inode.ts'
import type { FileChange, NameChange } from './inode.ts'

interface Opened {
  readonly inode: Inode
  readonly appends: boolean
  offset: number
}

/** What went out of one connection. */
export interface Sent {
  readonly begin: number
  readonly bytes: Buffer
}

/** Files whose bytes a power cut leaves to nobody: memory shared between connections, a lock. */
export const isVolatile = (name: string) => name.endsWith('-shm') || name.includes('.lock')

/**
 * Everything that a process did to the files in a folder, from recorded system calls, with what makes each change
 * durable: a sync of that file or folder that began after the change ended. A new name, or one taken away, is a change of
 * its folder.
 */
export class RecordedDisk {
  readonly root = new Inode('folder')
  readonly inodes: Inode[] = [this.root]
  readonly connections: Sent[][] = []
  readonly path: string
  readonly #others: ReadonlySet<string>
  readonly #opened = new Map<number, Opened>()
  readonly #sockets = new Map<number, Sent[]>()
  readonly #running = new Map<Call, (result: number) => void>()
  #end = 0

  /** `path` exists when the record begins and is empty but for files of the test. */
  constructor(path: string, others: readonly string[] = []) {
    this.path = path
    this.#others = new Set(others.map((name) => `${path}/${name}`))
  }

  /** The moment after all. */
  get end(): number {
    return this.#end
  }

  /** Adds the record of another process, which began after the ones before had ended. */
  add(text: string): void {
    this.#opened.clear()
    this.#sockets.clear()
    const ended = (call: Call) => {
      this.#running.get(call)?.(call.result)
      this.#running.delete(call)
    }
    this.#end = readCalls(text, this.#end, { begun: (call) => this.#begun(call), ended }) + 1
    this.#running.clear()
    for (const inode of this.inodes) inode.settle()
  }

  /** What lies at a path when all is written. */
  find(path: string): Inode | undefined {
    if (path === this.path) return this.root
    if (!path.startsWith(`${this.path}/`)) return undefined
    let inode: Inode | undefined = this.root
    for (const name of path.slice(this.path.length + 1).split('/')) inode = inode?.names.get(name)
    return inode
  }

  #begun(call: Call): void {
    const on = (fn: (result: number) => void) => this.#running.set(call, fn)
    const fd = Number.parseInt(call.args, 10)
    switch (call.name) {
      case 'open':
      case 'openat':
        return void on((result) => result >= 0 && this.#open(call, result))
      case 'accept4':
        return void on((result) => {
          if (result < 0) return
          this.#sockets.set(result, [])
          this.connections.push(this.#sockets.get(result) as Sent[])
        })
      case 'close':
        this.#opened.delete(fd)
        this.#sockets.delete(fd)
        return
      case 'write':
      case 'writev':
      case 'pwrite64':
      case 'pwritev':
      case 'pwritev2':
        return this.#write(call, fd, on)
      case 'ftruncate':
      case 'fsync':
      case 'fdatasync':
        return this.#onFile(call, fd, on)
      case 'rename':
      case 'renameat':
      case 'renameat2':
      case 'mkdir':
      case 'mkdirat':
      case 'unlink':
      case 'unlinkat':
      case 'rmdir':
        return void on((result) => result >= 0 && this.#rename(call))
      default:
        // no other call may change a file unseen
        return void on((result) => {
          if (result >= 0 && (this.#opened.has(fd) || call.args.includes(this.path)))
            throw new Error(`unforeseen: ${call.name}(${call.args.slice(0, 200)}`)
        })
    }
  }

  #open(call: Call, fd: number): void {
    const { bytes, rest } = stringsOf(call.args)
    const path = String(bytes[0])
    if (!path.startsWith(this.path) || isVolatile(basename(path)) || this.#others.has(path)) return
    let inode = this.find(path)
    if (inode === undefined && rest.includes('O_CREAT')) {
      inode = this.#make('file')
      this.#name(call, path, inode)
    } else if (rest.includes('O_TRUNC')) inode?.change({ begin: call.begin, end: call.end, offset: 0, data: undefined })
    if (inode !== undefined) this.#opened.set(fd, { inode, appends: rest.includes('O_APPEND'), offset: 0 })
  }

  #write(call: Call, fd: number, on: (fn: (result: number) => void) => void): void {
    const opened = this.#opened.get(fd)
    const socket = this.#sockets.get(fd)
    if (opened === undefined && socket === undefined) return
    const { bytes, rest } = stringsOf(call.args)
    const data = bytes.length === 1 ? (bytes[0] as Buffer) : Buffer.concat(bytes)
    if (socket !== undefined) return void socket.push({ begin: call.begin, bytes: data })
    const { inode, appends } = opened as Opened
    const isPlaced = call.name.startsWith('p')
    const numbers = [...rest.matchAll(/, (\d+)/g)].map(([, number]) => Number(number))
    const offset = isPlaced ? (numbers[1] as number) : appends ? inode.size : (opened as Opened).offset
    if (!isPlaced) (opened as Opened).offset = offset + data.length
    const change: FileChange = { begin: call.begin, end: Infinity, offset, data }
    inode.change(change)
    on((result) => {
      if (result !== data.length) throw new Error(`${call.name} wrote ${result} of ${data.length} bytes`)
      change.end = call.end
    })
  }

  #onFile(call: Call, fd: number, on: (fn: (result: number) => void) => void): void {
    const inode = this.#opened.get(fd)?.inode
    if (inode === undefined) return
    if (call.name !== 'ftruncate') {
      on((result) => result === 0 && inode.syncs.push({ begin: call.begin, end: call.end }))
      return
    }
    const offset = Number(/^\d+, (\d+)/.exec(call.args)?.[1])
    const change: FileChange = { begin: call.begin, end: Infinity, offset, data: undefined }
    inode.change(change)
    on(() => (change.end = call.end))
  }

  #rename(call: Call): void {
    const [from, to] = stringsOf(call.args).bytes.map(String) as [string, string?]
    if (!from.startsWith(this.path) || isVolatile(basename(from))) return
    if (call.name.startsWith('mkdir')) return void this.#name(call, from, this.#make('folder'))
    if (to === undefined) return void this.#name(call, from, undefined)
    const moved = this.find(from)
    const named = this.#name(call, to, moved)
    this.#name(call, from, undefined, named)
  }

  #name(call: Call, path: string, inode: Inode | undefined, after?: NameChange): NameChange {
    const folder = this.find(dirname(path))
    if (folder === undefined) throw new Error(`no folder for ${path}`)
    const change: NameChange = { begin: call.begin, end: call.end, name: basename(path), inode, after }
    folder.rename(change)
    return change
  }

  #make(kind: Inode['kind']): Inode {
    const inode = new Inode(kind)
    this.inodes.push(inode)
    return inode
  }
}
