import { MatrixError } from '../protocol/errors.ts'
import { stringify } from '../util/raw-json.ts'
import type { Answer } from './answer.ts'
import { corsHeaders } from './cors.ts'
import { Reply } from './reply.ts'

const plain = { 'content-type': 'application/json', 'cache-control': 'no-store' }
const open = { ...plain, ...corsHeaders }

/** Makes the answer of what a handler returned: an object is the JSON body of a 200. */
export function respond(result: object, isOpen: boolean): Answer {
  if (!(result instanceof Reply)) return { status: 200, headers: isOpen ? open : plain, body: stringify(result) }
  const headers = isOpen ? { ...corsHeaders, ...result.headers } : { ...result.headers }
  return { status: result.status, headers, body: bodyOf(result) }
}

/** Makes the answer of an error: `errcode`, `error` and what else belongs to it, with the status of the code. */
export function respondError(error: MatrixError, isOpen: boolean): Answer {
  const headers = isOpen ? open : plain
  const retryAfter = retryAfterSeconds(error)
  return {
    status: error.status,
    headers: retryAfter === undefined ? headers : { ...headers, 'retry-after': String(retryAfter) },
    body: stringify(error.body),
  }
}

/** The answer to `OPTIONS`, whatever the path (client-server API, "Web Browser Clients"). */
export function respondOptions(isOpen: boolean): Answer {
  return {
    status: isOpen ? 200 : 204,
    headers: isOpen ? { ...corsHeaders, 'access-control-max-age': '86400' } : { allow: 'GET, POST' },
    body: null,
  }
}

function retryAfterSeconds({ status, extra }: MatrixError): number | undefined {
  const retryAfterMs = extra['retry_after_ms']
  if (typeof retryAfterMs === 'number') return Math.ceil(retryAfterMs / 1000)
  return status === 503 ? 5 : undefined
}

function bodyOf({ body }: Reply): Answer['body'] {
  if (body === null || typeof body === 'string' || body instanceof Uint8Array) return body
  return Symbol.asyncIterator in body ? body : stringify(body)
}

/** An error of ours as it is; anything else becomes a 500 that says only which request it was. */
export function asMatrixError(error: unknown, requestId: string): MatrixError {
  if (error instanceof MatrixError) return error
  return new MatrixError('M_UNKNOWN', 'internal error', { request_id: requestId })
}
