import { FederationError } from '../federation/errors.ts'
import { MatrixError } from '../protocol/errors.ts'
import type { ServerName } from '../protocol/ids.ts'
import type { MediaDeps } from './deps.ts'
import { discard } from './discard.ts'
import { readMediaParts } from './multipart.ts'
import type { MediaParts } from './multipart.ts'

type Deps = Pick<MediaDeps, 'federation' | 'net'>

interface Limits {
  /** how long the origin may wait for an upload that is under way */
  readonly timeoutMs: number
  /** of the file itself */
  readonly maxBytes: number
}

const deadlineMs = 60_000
const overheadBytes = 64 * 1024

/**
 * Asks the server where a file was uploaded for it (server-server API, "Content repository"). One that does not know the
 * signed endpoint yet is asked as before Matrix 1.11. Throws FederationError, NetError, MultipartError, MatrixError.
 */
export async function openAtOrigin(
  deps: Deps,
  origin: ServerName,
  mediaId: string,
  limits: Limits,
): Promise<MediaParts> {
  try {
    return await openSigned(deps, origin, mediaId, limits)
  } catch (error) {
    if (!isUnknownEndpoint(error)) throw error
    return openOld(deps, origin, mediaId, limits)
  }
}

async function openSigned(
  deps: Deps,
  origin: ServerName,
  mediaId: string,
  { timeoutMs, maxBytes }: Limits,
): Promise<MediaParts> {
  const answer = await deps.federation.stream(origin, {
    method: 'GET',
    path: `/_matrix/federation/v1/media/download/${encodeURIComponent(mediaId)}`,
    query: { timeout_ms: timeoutMs },
    maxBytes: maxBytes + overheadBytes,
    deadlineMs,
  })
  const parts = await readMediaParts(answer.headers['content-type'], answer.body)
  const { location } = parts.headers
  return location === undefined ? parts : openElsewhere(deps, parts, location, maxBytes)
}

/** The origin keeps its files at another place: public addresses only, and nothing of ours goes there. */
async function openElsewhere(deps: Deps, parts: MediaParts, location: string, maxBytes: number): Promise<MediaParts> {
  await discard(parts.body)
  if (!URL.canParse(location) || new URL(location).protocol !== 'https:')
    throw new MatrixError('M_UNKNOWN', 'the other server keeps this file where it cannot be had', {}, 502)
  const answer = await deps.net.stream({
    url: location,
    method: 'GET',
    deadlineMs,
    maxBytes: maxBytes + overheadBytes,
    guard: 'public',
    redirects: 3,
  })
  if (answer.status === 200) return answer
  await discard(answer.body)
  throw new MatrixError('M_NOT_FOUND', 'the other server does not have this file')
}

async function openOld(
  deps: Deps,
  origin: ServerName,
  mediaId: string,
  { timeoutMs, maxBytes }: Limits,
): Promise<MediaParts> {
  return deps.federation.stream(origin, {
    method: 'GET',
    path: `/_matrix/media/v3/download/${encodeURIComponent(origin)}/${encodeURIComponent(mediaId)}`,
    query: { allow_remote: false, timeout_ms: timeoutMs },
    maxBytes: maxBytes + overheadBytes,
    deadlineMs,
  })
}

function isUnknownEndpoint(error: unknown): boolean {
  if (!(error instanceof FederationError) || error.remote === undefined) return false
  const { status, errcode } = error.remote
  return (status === 404 || status === 405) && (errcode === 'M_UNRECOGNIZED' || errcode === undefined)
}
