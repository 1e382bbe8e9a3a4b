import type { Log } from '../util/log.ts'
import type { Clock } from '../util/ports.ts'

/** What is told of a request: its route with the parameters' names, never the path itself or the query. */
export interface Served {
  readonly method: string
  readonly route: string
  readonly id: string
  readonly status: number
  /** from the clock's monotonic() */
  readonly startedAt: number
}

/** Writes one line for a request; an unexpected error with its cause. */
export function logRequest(deps: { log: Log; clock: Clock }, served: Served, cause?: unknown): void {
  const { method, route, id, status, startedAt } = served
  const fields = { method, route, request: id, status, ms: Math.round(deps.clock.monotonic() - startedAt) }
  if (cause !== undefined) deps.log.error('request failed', { ...fields, error: cause })
  else deps.log.debug('request', fields)
}
