import type { ServerName } from '../protocol/ids.ts'
import { splitServerName, type ServerNameParts } from '../protocol/server-name.ts'
import type { AddressGuard, Clock, Net, Random } from '../util/ports.ts'
import type { Dns, SrvRecord } from '../util/dns.ts'
import { WellKnown } from './well-known.ts'
import { lru } from '../util/lru.ts'

/** One way to reach a server. */
export interface Route {
  /** the `Host` header, and the authority of the URL */
  readonly host: string
  /** the name or address that the certificate must be for; a name is sent as SNI */
  readonly certificateName: string
  readonly dial: { readonly host: string; readonly port: number }
  readonly guard: AddressGuard
}

export interface DiscoveryDeps {
  readonly net: Net
  readonly dns: Dns
  readonly clock: Clock
  readonly random: Random
  /** server name to `address:port`, instead of discovery */
  readonly staticRoutes: Readonly<Record<string, string>>
}

const defaultPort = 8448
const routesMs = 5 * 60_000
const maxRoutes = 4

interface Found {
  readonly routes: readonly Route[]
  readonly untilTs: number
}

/** Finds where a server listens (server-server API, "Resolving server names"). */
export class Discovery {
  readonly #deps: DiscoveryDeps
  readonly #wellKnown: WellKnown
  readonly #found = lru<string, Found>(10_000)
  readonly #pending = new Map<string, Promise<readonly Route[]>>()

  constructor(deps: DiscoveryDeps) {
    this.#deps = deps
    this.#wellKnown = new WellKnown(deps)
  }

  /** The ways to reach a server, best first; none where it says that it offers no service. Never throws for what DNS or the server say. */
  async routes(server: ServerName): Promise<readonly Route[]> {
    const known = this.#found.get(server)
    if (known !== undefined && known.untilTs > this.#deps.clock.monotonic()) return known.routes
    let pending = this.#pending.get(server)
    if (pending === undefined) {
      pending = this.#discover(server).finally(() => this.#pending.delete(server))
      this.#pending.set(server, pending)
    }
    return pending
  }

  /** Drops what DNS said of a server, so that the next request looks again. */
  forget(server: ServerName): void {
    this.#found.delete(server)
  }

  async #discover(server: ServerName): Promise<readonly Route[]> {
    const routes = await this.#resolve(server)
    this.#found.set(server, { routes, untilTs: this.#deps.clock.monotonic() + routesMs })
    return routes
  }

  async #resolve(server: ServerName): Promise<readonly Route[]> {
    const parts = splitServerName(server)
    if (parts === undefined) return []
    const fixed = this.#deps.staticRoutes[server]
    if (fixed !== undefined) return staticRoute(server, parts, fixed)
    // Steps 1 and 2
    if (parts.kind !== 'dns' || parts.port !== undefined) return [direct(server, parts)]
    // Step 3
    const delegated = await this.#wellKnown.delegate(parts.host)
    if (delegated === undefined) return this.#byName(server, parts)
    const to = splitServerName(delegated)
    if (to === undefined) return []
    // Steps 3.1 and 3.2
    if (to.kind !== 'dns' || to.port !== undefined) return [direct(delegated, to)]
    return this.#byName(delegated, to)
  }

  /** Steps 3.3 to 3.5 and 4 to 6: a name without port. */
  async #byName(host: string, parts: ServerNameParts): Promise<readonly Route[]> {
    for (const service of ['_matrix-fed', '_matrix']) {
      const records = await this.#deps.dns.srv(`${service}._tcp.${withoutFinalDot(parts.host)}`)
      if (records.length === 0) continue
      return orderSrv(records, this.#deps.random)
        .filter(({ name }) => name !== '' && name !== '.')
        .slice(0, maxRoutes)
        .map(({ name, port }) => ({ ...direct(host, parts), dial: { host: withoutFinalDot(name), port } }))
    }
    return [direct(host, parts)]
  }
}

function direct(host: string, parts: ServerNameParts): Route {
  const dial = { host: withoutFinalDot(parts.host), port: parts.port ?? defaultPort }
  return { host, certificateName: dial.host, dial, guard: 'public' }
}

function staticRoute(server: ServerName, parts: ServerNameParts, fixed: string): readonly Route[] {
  const to = splitServerName(fixed)
  if (to === undefined) return []
  return [{ ...direct(server, parts), dial: { host: to.host, port: to.port ?? defaultPort }, guard: 'configured' }]
}

function withoutFinalDot(host: string): string {
  return host.length > 1 && host.endsWith('.') ? host.slice(0, -1) : host
}

/** Orders records by priority, and at random by weight within one (RFC 2782). */
export function orderSrv(records: readonly SrvRecord[], random: Random): SrvRecord[] {
  const left = records.toSorted((a, b) => a.priority - b.priority || a.weight - b.weight).slice(0, 32)
  const ordered: SrvRecord[] = []
  while (left.length > 0) {
    const peers = left.filter(({ priority }) => priority === left[0]?.priority)
    let at = random.integer(peers.reduce((sum, { weight }) => sum + weight, 0) + 1)
    const chosen = peers.find(({ weight }) => (at -= weight) <= 0) ?? peers[0]
    if (chosen === undefined) break
    left.splice(left.indexOf(chosen), 1)
    ordered.push(chosen)
  }
  return ordered
}
