import { MatrixError } from '../../protocol/errors.ts'
import type { StreamVector } from '../../store/database.ts'
import type { Behind } from '../../store/sync.ts'

/** A place in all streams: what a reader knows. */
export interface SyncToken {
  readonly vector: StreamVector
  /** serial of who is typing; see `TypingUsers` */
  readonly typing: number
}

const grammar = /^s([A-Za-z0-9_-]{1,16})~([0-9a-z]{1,11})((?:~[0-9a-z]{1,11}\.[0-9a-z]{1,11}){0,512})$/

/** The token in the form in which clients keep it: opaque to them. */
export function formatSyncToken(epoch: string, { vector, typing }: SyncToken): string {
  let text = `s${epoch}~${typing.toString(36)}`
  for (const [writer, pos] of vector) if (pos > 0) text += `~${writer.toString(36)}.${pos.toString(36)}`
  return text
}

/** The token read last: all whom one event woke come back with the same. */
let last: { readonly epoch: string; readonly text: string; readonly token: SyncToken | undefined } | undefined

/** Reads a token. Undefined for one of another database; throws `M_INVALID_PARAM` for what never was a token. */
export function parseSyncToken(epoch: string, text: string): SyncToken | undefined {
  if (last?.text !== text || last.epoch !== epoch) last = { epoch, text, token: parse(epoch, text) }
  return last.token
}

function parse(epoch: string, text: string): SyncToken | undefined {
  const match = grammar.exec(text)
  if (match === null) throw new MatrixError('M_INVALID_PARAM', 'since is not a token of this server')
  const [, itsEpoch, typing = '0', rest = ''] = match
  return itsEpoch === epoch ? { vector: parseVector(rest), typing: parseInt(typing, 36) } : undefined
}

/** The positions in a token of `/sync`, for endpoints that take it as a place in one room; undefined where it is none. */
export function vectorOfToken(text: string): StreamVector | undefined {
  const match = grammar.exec(text)
  return match === null ? undefined : parseVector(match[3] ?? '')
}

function parseVector(text: string): StreamVector {
  const vector = new Map<number, number>()
  for (const part of text.split('~').slice(1)) {
    const [writer = '', pos = ''] = part.split('.')
    vector.set(parseInt(writer, 36), parseInt(pos, 36))
  }
  return vector
}

/** The writers that have gone on from `since`. */
export function behind(since: StreamVector, now: StreamVector): Behind {
  const moved: [number, number][] = []
  for (const [writer, pos] of now) {
    const before = since.get(writer) ?? 0
    if (pos > before) moved.push([writer, before])
  }
  return moved
}

/** How many positions lie between. */
export function distance(since: StreamVector, now: StreamVector): number {
  let sum = 0
  for (const [writer, pos] of now) sum += Math.max(0, pos - (since.get(writer) ?? 0))
  return sum
}

/** Whether `since` names positions that this database never reached: it was set back, from a backup for instance. */
export function isAhead(since: StreamVector, now: StreamVector): boolean {
  for (const [writer, pos] of since) if (pos > (now.get(writer) ?? 0)) return true
  return false
}

/** Whether something at a position came after `since`. */
export function isNews(since: StreamVector, at: { readonly writer: number; readonly pos: number }): boolean {
  return at.pos > (since.get(at.writer) ?? 0)
}
