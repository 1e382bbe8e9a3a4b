/** A system call as `strace -f` wrote it down. Moments are places in the record: smaller is earlier. */
export interface Call {
  readonly name: string
  readonly args: string
  readonly begin: number
  /** Infinity where it never ended */
  end: number
  /** NaN where it never ended */
  result: number
}

/** Told of each call, in the order of the record. */
export interface CallListener {
  begun(call: Call): void
  ended(call: Call): void
}

const line = /^(\d+) +(?:<\.\.\. (\w+) resumed>|(\w+)\()/
const result = /\) += (-?\d+)[^"]*$/

/**
 * Reads a record of `strace -f`. What strace has seen to end had ended, and what it has not yet seen to begin has not:
 * a thread waits for strace at both. Returns the moment after the last call.
 */
export function readCalls(text: string, from: number, listener: CallListener): number {
  const open = new Map<string, Call>()
  let moment = from
  for (let at = 0, end = text.indexOf('\n'); end >= 0; at = end + 1, end = text.indexOf('\n', at)) {
    const head = line.exec(text.slice(at, Math.min(end, at + 80)))
    if (head === null) continue
    const [start, thread = '', resumed, name = ''] = head
    moment++
    if (resumed !== undefined) {
      const call = open.get(thread)
      open.delete(thread)
      if (call !== undefined) finish(call, text.slice(at + start.length, end), moment, listener)
      continue
    }
    const args = text.slice(at + start.length, end)
    const call: Call = { name, args, begin: moment, end: Infinity, result: Number.NaN }
    listener.begun(call)
    if (args.endsWith('<unfinished ...>')) open.set(thread, call)
    else finish(call, args, ++moment, listener)
  }
  return moment
}

function finish(call: Call, rest: string, moment: number, listener: CallListener): void {
  const found = result.exec(rest.slice(-200))
  if (found === null) return
  call.end = moment
  call.result = Number(found[1])
  listener.ended(call)
}

const escapes: Readonly<Record<string, number>> = { n: 10, t: 9, r: 13, v: 11, f: 12 }

/** The bytes of all strings among a call's arguments, and what follows the last one. */
export function stringsOf(args: string): { bytes: Buffer[]; rest: string } {
  const bytes: Buffer[] = []
  let at = 0
  for (let quote = args.indexOf('"'); quote >= 0; quote = args.indexOf('"', at)) {
    const read = unquote(args, quote + 1)
    if (args.startsWith('...', read.end)) throw new Error('the record is cut short')
    bytes.push(read.bytes)
    at = read.end
  }
  return { bytes, rest: args.slice(at) }
}

function unquote(text: string, from: number): { bytes: Buffer; end: number } {
  let at = from
  let length = 0
  while (text[at] !== '"') {
    at += text[at] === '\\' ? 2 : 1
    length++
    if (at >= text.length) throw new Error('a string has no end')
  }
  const bytes = Buffer.allocUnsafe(length)
  let to = 0
  for (let i = from; i < at; i++) {
    const code = text.charCodeAt(i)
    if (code !== 92) {
      bytes[to++] = code
      continue
    }
    let next = text.charCodeAt(++i) - 48
    if (next < 0 || next > 7) {
      const char = text[i] as string
      bytes[to++] = escapes[char] ?? char.charCodeAt(0)
      continue
    }
    let value = next
    for (let digits = 1; digits < 3; digits++) {
      next = text.charCodeAt(i + 1) - 48
      if (next < 0 || next > 7) break
      value = value * 8 + next
      i++
    }
    bytes[to++] = value
  }
  return { bytes: bytes.subarray(0, to), end: at + 1 }
}
