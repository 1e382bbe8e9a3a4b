import type { Socket } from 'node:net'

/** An answer as it was on the wire. */
export interface WireAnswer {
  readonly status: number
  /** names in lower case */
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

/** Reads so many HTTP/1.1 answers, or as many as come before the connection ends. Throws for bytes that are none. */
export function readAnswers(socket: Socket, count: number): Promise<WireAnswer[]> {
  return new Promise((resolve, reject) => {
    const answers: WireAnswer[] = []
    let buffered = Buffer.alloc(0)
    const end = () => resolve(answers)
    socket.on('data', (chunk: Buffer) => {
      buffered = Buffer.concat([buffered, chunk])
      try {
        for (;;) {
          const taken = takeAnswer(buffered)
          if (taken === undefined) return
          answers.push(taken.answer)
          buffered = buffered.subarray(taken.length)
          if (answers.length === count) return end()
        }
      } catch (error) {
        reject(error)
      }
    })
    socket.once('close', end).once('end', end)
  })
}

/** Takes the first answer off bytes: what it is and how long; undefined where it is not whole yet. */
export function takeAnswer(bytes: Buffer): { answer: WireAnswer; length: number } | undefined {
  const headEnd = bytes.indexOf('\r\n\r\n')
  if (headEnd < 0) return undefined
  const [first = '', ...lines] = bytes.toString('latin1', 0, headEnd).split('\r\n')
  const status = /^HTTP\/1\.1 (\d{3})/.exec(first)?.[1]
  if (status === undefined) throw new Error(`no answer: ${first}`)
  const headers = Object.fromEntries(
    lines.map((line) => [line.slice(0, line.indexOf(':')).toLowerCase(), line.slice(line.indexOf(':') + 1).trim()]),
  )
  const body =
    headers['transfer-encoding'] === 'chunked'
      ? takeChunks(bytes, headEnd + 4)
      : takeLength(bytes, headEnd + 4, Number(headers['content-length'] ?? 0))
  return body && { answer: { status: Number(status), headers, body: body.text }, length: body.end }
}

function takeLength(bytes: Buffer, from: number, length: number): { text: string; end: number } | undefined {
  const end = from + length
  return bytes.length < end ? undefined : { text: bytes.toString('utf8', from, end), end }
}

function takeChunks(bytes: Buffer, from: number): { text: string; end: number } | undefined {
  const parts: Buffer[] = []
  for (let at = from; ;) {
    const lineEnd = bytes.indexOf('\r\n', at)
    if (lineEnd < 0) return undefined
    const size = Number.parseInt(bytes.toString('latin1', at, lineEnd), 16)
    const next = lineEnd + 2 + size + 2
    if (bytes.length < next) return undefined
    if (size === 0) return { text: Buffer.concat(parts).toString(), end: next }
    parts.push(bytes.subarray(lineEnd + 2, lineEnd + 2 + size))
    at = next
  }
}
