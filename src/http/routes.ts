import { endpoints as adminUsers } from './admin/users.ts'
import type { Auth, Endpoint, Method } from './endpoint.ts'
import { endpoints as health } from './health.ts'
import type { LimitKind } from './rate-limit.ts'
import { endpoints as wellKnownClient } from './well-known/client.ts'
import { endpoints as wellKnownServer } from './well-known/server.ts'
import { endpoints as wellKnownSupport } from './well-known/support.ts'

/** Every endpoint of this server. */
export const allEndpoints: readonly Endpoint[] = [
  ...adminUsers,
  ...health,
  ...wellKnownClient,
  ...wellKnownServer,
  ...wellKnownSupport,
]

/** One line of the table of routes; parameters stand as `{name}`. */
export interface RouteLine {
  readonly method: Method
  readonly path: string
  readonly auth: Auth
  readonly limit: LimitKind
}

/** The table of routes, aliases included, by path. */
export function listRoutes(): RouteLine[] {
  const lines = allEndpoints.flatMap(({ method, path, aliases, auth, limit }) =>
    [...new Set([path, ...aliases])].map((each) => ({ method, path: each.replaceAll(/:([^/]+)/g, '{$1}'), auth, limit })),
  )
  return lines.toSorted((a, b) => (a.path < b.path ? -1 : a.path > b.path ? 1 : a.method < b.method ? -1 : 1))
}
