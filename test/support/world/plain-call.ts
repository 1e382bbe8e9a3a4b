import type { Answer } from '../../../src/http/answer.ts'
import { rawTarget } from '../../../src/http/call.ts'
import type { Call } from '../../../src/http/call.ts'
import type { NetRequest } from '../../../src/util/ports.ts'

/** A request as the app takes it, its body whole: what the objects of the web would do to it costs more than the answer. */
export function plainCall(made: Pick<NetRequest, 'url' | 'headers' | 'body'> & { readonly method: string }): Call {
  const headers = new Map(Object.entries(made.headers ?? {}).map(([name, value]) => [name.toLowerCase(), value]))
  const header = (name: string) => headers.get(name)
  return {
    method: made.method,
    target: rawTarget(made.url),
    address: '192.0.2.1',
    body: typeof made.body === 'string' ? Buffer.from(made.body) : (made.body ?? null),
    header,
    headerValues: (name) => [header(name)].filter((value) => value !== undefined),
    gone: () => new AbortController().signal,
  }
}

/** The body of an answer, whole. */
export async function bytesOf({ body }: Answer): Promise<Uint8Array> {
  if (body === null) return new Uint8Array(0)
  if (typeof body === 'string') return Buffer.from(body)
  if (body instanceof Uint8Array) return body
  const chunks: Uint8Array[] = []
  for await (const chunk of body) chunks.push(chunk)
  return Buffer.concat(chunks)
}
