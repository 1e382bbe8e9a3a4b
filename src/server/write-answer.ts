import type { IncomingMessage, ServerResponse } from 'node:http'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { Answer } from '../http/answer.ts'
import { nextTurn } from '../util/next-turn.ts'
import type { Clock } from '../util/ports.ts'

/** So long the rest of a body is read that nobody wants, so that the caller, still writing, gets to read the answer. */
const restMs = 500

const longText = 65_536
/** To make such a text and to encode it are two turns. */
const veryLongText = 2 ** 20

/** Sends an answer. A stream that fails half-way ends the connection; never rejects. */
export async function writeAnswer(outgoing: ServerResponse, answer: Answer, clock: Clock): Promise<void> {
  const { status, headers, body } = answer
  const { req: incoming } = outgoing
  if (outgoing.destroyed) return
  if (!incoming.complete) outgoing.once('finish', () => discardRest(incoming, clock))
  if (body === null) {
    outgoing.writeHead(status, headers).end()
  } else if (typeof body === 'string') {
    if (body.length >= veryLongText) await nextTurn()
    // a long one is encoded once, not once to know the length and once to write
    const sent = body.length < longText ? body : Buffer.from(body)
    outgoing.writeHead(status, { ...headers, 'content-length': Buffer.byteLength(sent) }).end(sent)
  } else if (body instanceof Uint8Array) {
    outgoing.writeHead(status, { ...headers, 'content-length': body.byteLength }).end(body)
  } else if (incoming.method === 'HEAD') {
    outgoing.writeHead(status, headers).end()
    await body[Symbol.asyncIterator]().return?.()
  } else {
    outgoing.writeHead(status, headers)
    await pipeline(Readable.from(body, { objectMode: false }), outgoing).catch(() => outgoing.destroy())
  }
}

/** What is left of a body nobody wants must not become the next request: read for a while, then the connection ends. */
function discardRest(incoming: IncomingMessage, clock: Clock): void {
  if (incoming.complete) return
  clock.setTimer(restMs, () => {
    if (!incoming.complete) incoming.socket.destroySoon()
  })
  incoming.resume()
}
