import { FederationError } from '../federation/errors.ts'
import { MatrixError } from '../protocol/errors.ts'
import type { ServerName } from '../protocol/ids.ts'
import type { RoomsDeps } from './deps.ts'

/** The most servers that are asked for one thing. */
const maxCandidates = 10

/**
 * Tries servers one after the other until one of them does it; no further one is begun after `deadlineMs`. Throws what
 * tells most: a refusal that a server gave, else the last failure; 404 where there is no server to ask.
 */
export async function tryServers<T>(
  deps: Pick<RoomsDeps, 'clock' | 'serverName'>,
  candidates: Iterable<ServerName>,
  deadlineMs: number,
  attempt: (server: ServerName) => Promise<T>,
): Promise<T> {
  const until = deps.clock.monotonic() + deadlineMs
  let refusal: MatrixError | undefined
  let last: MatrixError | undefined
  const servers = [...new Set(candidates)].filter((server) => server !== deps.serverName).slice(0, maxCandidates)
  for (const server of servers) {
    if (last !== undefined && deps.clock.monotonic() >= until) break
    try {
      return await attempt(server)
    } catch (error) {
      if (!isRemoteFailure(error)) throw error
      last = error
      if (refusal === undefined && error instanceof FederationError && error.kind === 'refused' && error.status < 500)
        refusal = error
    }
  }
  throw refusal ?? last ?? new MatrixError('M_NOT_FOUND', 'No server is known that could be asked')
}

/** Whether another server is to blame; what is wrong here is thrown at once. */
function isRemoteFailure(error: unknown): error is MatrixError {
  return error instanceof FederationError || (error instanceof MatrixError && error.status === 502)
}
