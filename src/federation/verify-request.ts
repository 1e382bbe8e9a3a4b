import { MatrixError } from '../protocol/errors.ts'
import type { ServerName } from '../protocol/ids.ts'
import type { Json } from '../protocol/json-types.ts'
import { parseXMatrix } from '../protocol/x-matrix.ts'
import type { FederationDeps } from './deps.ts'

/** A request from another server, as it came in. */
export interface InboundRequest {
  readonly method: string
  /** path and query exactly as they were sent */
  readonly target: string
  /** every `Authorization` header */
  readonly authorization: readonly string[]
  /** the parsed body, undefined where there is none */
  readonly body: Json | undefined
}

const maxHeaders = 8

/**
 * Who sent a request, proved by its signatures (server-server API, "Request Authentication"). Throws `M_UNAUTHORIZED`
 * (401) where there is no X-Matrix header, two name different origins, one is for another server, or none is right.
 */
export async function verifyRequest(
  deps: Pick<FederationDeps, 'serverName' | 'keyRing' | 'destinations'>,
  request: InboundRequest,
): Promise<ServerName> {
  const headers = request.authorization.filter((header) => /^x-matrix\b/i.test(header))
  if (headers.length === 0) throw unauthorized('no X-Matrix authorization')
  if (headers.length > maxHeaders) throw unauthorized('too many X-Matrix headers')
  const parsed = headers.map((header) => parseXMatrix(header) ?? malformed())
  const origin = (parsed[0] ?? malformed()).origin
  if (parsed.some((header) => header.origin !== origin)) throw unauthorized('X-Matrix headers of different origins')
  const { method, target, body } = request
  const signed = { method, uri: target, origin, destination: deps.serverName, content: body }
  let refusal: string | undefined
  for (const header of parsed) {
    if (header.destination !== undefined && header.destination !== deps.serverName)
      throw unauthorized('signed for another server')
    refusal = await deps.keyRing.verifyRequest(signed, header)
    if (refusal === undefined) break
  }
  if (refusal !== undefined) throw unauthorized(refusal)
  deps.destinations.contacted(origin)
  return origin
}

function malformed(): never {
  throw unauthorized('malformed X-Matrix authorization')
}

function unauthorized(reason: string): MatrixError {
  return new MatrixError('M_UNAUTHORIZED', reason)
}
