import { MatrixError } from '../protocol/errors.ts'
import { parseJsonObject } from '../protocol/json.ts'
import type { JsonObject } from '../protocol/json-types.ts'
import type { Answer } from './answer.ts'
import { maxBodyBytes } from './body.ts'
import type { Deps } from './deps.ts'
import type { Endpoint } from './endpoint.ts'
import { passGate } from './gate.ts'
import { checkBody, checkParams, checkQuery } from './input.ts'
import type { HttpRequest } from './request.ts'
import { logRequest } from './request-log.ts'
import { asMatrixError, respond, respondError } from './respond.ts'

/**
 * One request through gate, checks and handler to its answer. No answer leaves before everything that it could have seen
 * is on disk. An unexpected error is a 500 that names the request; never rejects.
 */
export async function handle(
  deps: Deps,
  endpoint: Endpoint,
  params: Readonly<Record<string, string>>,
  request: HttpRequest,
  isOpen: boolean,
): Promise<Answer> {
  const startedAt = deps.clock.monotonic()
  const finish = (answer: Answer, cause?: unknown): Answer => {
    const { method, path: route } = endpoint
    logRequest(deps, { method, route, id: request.id, status: answer.status, startedAt }, cause)
    return answer
  }
  try {
    const result = await run(deps, endpoint, params, request)
    if (!endpoint.tellsOwnWrite) await deps.database.durable()
    return finish(respond(result, isOpen))
  } catch (error) {
    const isExpected = error instanceof MatrixError
    const answer = respondError(asMatrixError(error, request.id), isOpen)
    // What the refusal says may rest on a commit that is not synced yet; when the sync fails there is no answer at all.
    await deps.database.durable().catch(() => undefined)
    return finish(answer, isExpected ? undefined : error)
  }
}

async function run(
  deps: Deps,
  endpoint: Endpoint,
  rawParams: Readonly<Record<string, string>>,
  request: HttpRequest,
): Promise<object> {
  const isServer = endpoint.auth === 'server'
  let parsed: JsonObject | undefined
  const readBody = async () => (parsed ??= await readJson(deps, endpoint, request))
  // A server's signature covers its body, so that is read before the gate; nobody else's is.
  const requester = await passGate(deps, endpoint, request, readBody)
  const params = checkParams(endpoint.params, rawParams)
  const query = checkQuery(endpoint.query, () => request.search)
  const body = endpoint.body && checkBody(endpoint.body, (isServer ? parsed : await readBody()) ?? {})
  return endpoint.handle({ deps, requester, params, query, body, request })
}

/** The body as an object; undefined where there is none. Throws `M_NOT_JSON`, `M_BAD_JSON`, `M_TOO_LARGE`. */
async function readJson(deps: Deps, endpoint: Endpoint, request: HttpRequest): Promise<JsonObject | undefined> {
  if (request.method === 'GET' || request.method === 'HEAD') return undefined
  const bytes = await request.bytes(maxBodyBytes(endpoint.bodyKind, deps.config))
  if (bytes.length === 0) return undefined
  return parseJsonObject(bytes, { mode: endpoint.auth === 'server' ? 'spelled' : 'lenient' })
}
