import { takeAnswer } from '../wire.ts'
import type { RecordedDisk } from './disk.ts'

/** An answer that a server gave, and the moment at which its first byte went out. */
export interface Given {
  readonly begin: number
  readonly status: number
  readonly body: string
}

/** What somebody was told is done. */
export interface Promised {
  readonly kind: 'event' | 'account' | 'upload' | 'erasure'
  readonly id: string
  /** the moment of the first answer that says so */
  readonly begin: number
}

/** All answers in a record, in the order of their beginnings. */
export function answersOf(disk: RecordedDisk): Given[] {
  const answers: Given[] = []
  for (const sent of disk.connections) {
    let bytes = Buffer.concat(sent.map((each) => each.bytes))
    let offset = 0
    const beginOf = (at: number) => {
      let end = 0
      return (sent.find((each) => (end += each.bytes.length) > at) ?? sent[0])?.begin ?? 0
    }
    for (let taken = takeAnswer(bytes); taken !== undefined; taken = takeAnswer(bytes)) {
      answers.push({ begin: beginOf(offset), status: taken.answer.status, body: taken.answer.body })
      offset += taken.length
      bytes = bytes.subarray(taken.length)
    }
  }
  return answers.toSorted((a, b) => a.begin - b.begin)
}

/** Event ids of rooms of version 4 and later, anywhere in a text. */
export const eventIds = /\$[A-Za-z0-9_-]{43}/g

/**
 * What the answers promise: every event that one names, a reader's too; accounts, uploads, erasures.
 * @param erased who was erased, in the order of the answers
 */
export function promisesOf(answers: readonly Given[], erased: readonly string[]): Promised[] {
  const promises = new Map<string, Promised>()
  const add = (kind: Promised['kind'], id: string, begin: number) => {
    const key = `${kind} ${id}`
    if (!promises.has(key)) promises.set(key, { kind, id, begin })
  }
  let erasures = 0
  for (const { status, body, begin } of answers) {
    if (status !== 200) continue
    for (const [id] of body.matchAll(eventIds)) add('event', id, begin)
    const account = body.includes('"access_token"') ? /"user_id":"([^"]+)"/.exec(body)?.[1] : undefined
    if (account !== undefined) add('account', account, begin)
    const upload = /"content_uri":"mxc:\/\/[^/"]+\/([^"]+)"/.exec(body)?.[1]
    if (upload !== undefined) add('upload', upload, begin)
    if (body.includes('"id_server_unbind_result"')) add('erasure', erased[erasures++] ?? '?', begin)
  }
  return [...promises.values()]
}
