import { parseServerName, type ServerName } from '../protocol/ids.ts'
import { parseJsonObject } from '../protocol/json.ts'
import { memberOf } from '../protocol/json.ts'
import { backoffMs } from '../util/backoff.ts'
import type { Clock, Net, Random } from '../util/ports.ts'
import { lru } from '../util/lru.ts'

export interface WellKnownDeps {
  readonly net: Net
  readonly clock: Clock
  readonly random: Random
}

interface Entry {
  readonly server: ServerName | undefined
  readonly untilTs: number
  /** until when a delegation that could not be asked for again still holds */
  readonly graceTs: number
  readonly failures: number
}

const maxBytes = 50 * 1024
const minuteMs = 60_000
const hourMs = 60 * minuteMs
const defaultMs = 24 * hourMs
const mostMs = 48 * hourMs
const leastMs = 5 * minuteMs
const failureBackoff = { initialMs: 2 * minuteMs, maxMs: hourMs, jitter: 0.2 }

/** What `https://<hostname>/.well-known/matrix/server` says, cached, failures too (server-server API, "Resolving server names", 3). */
export class WellKnown {
  readonly #deps: WellKnownDeps
  readonly #entries = lru<string, Entry>(10_000)

  constructor(deps: WellKnownDeps) {
    this.#deps = deps
  }

  /** The server name that a host name delegates to; undefined where there is no valid answer. */
  async delegate(hostname: string): Promise<ServerName | undefined> {
    const now = this.#deps.clock.monotonic()
    const known = this.#entries.get(hostname)
    if (known !== undefined && known.untilTs > now) return known.server
    const entry = await this.#ask(hostname, known, now)
    this.#entries.set(hostname, entry)
    return entry.server
  }

  async #ask(hostname: string, known: Entry | undefined, now: number): Promise<Entry> {
    const { net, random } = this.#deps
    const failures = (known?.failures ?? 0) + 1
    const failed: Entry = {
      server: undefined,
      untilTs: now + backoffMs(failureBackoff, failures, random),
      graceTs: 0,
      failures,
    }
    try {
      const answer = await net.request({
        url: `https://${hostname}/.well-known/matrix/server`,
        method: 'GET',
        deadlineMs: 20_000,
        firstByteMs: 15_000,
        maxBytes,
        redirects: 5,
        guard: 'public',
      })
      const server = answer.status === 200 ? parseAnswer(answer.body) : undefined
      if (server === undefined) return failed
      const lifetimeMs = cacheMs(answer.headers, this.#deps.clock.now())
      return { server, untilTs: now + lifetimeMs, graceTs: now + mostMs, failures: 0 }
    } catch {
      // A host that cannot be asked for a while has not stopped delegating.
      if (known?.server === undefined || known.graceTs <= now) return failed
      return { ...failed, server: known.server, graceTs: known.graceTs }
    }
  }
}

function parseAnswer(body: Uint8Array): ServerName | undefined {
  try {
    return parseServerName(memberOf(parseJsonObject(body, { mode: 'lenient' }), 'm.server'))
  } catch {
    return undefined
  }
}

/** How long an answer may be kept, in ms: as its headers say, between 5 minutes and 48 hours; 24 hours unless they say. */
function cacheMs(headers: Readonly<Record<string, string>>, now: number): number {
  const control = headers['cache-control']?.toLowerCase() ?? ''
  if (/\bno-(?:store|cache)\b/.test(control)) return leastMs
  const maxAge = /\bmax-age\s*=\s*"?(\d{1,12})/.exec(control)?.[1]
  const expires = headers.expires === undefined ? NaN : Date.parse(headers.expires)
  const wished = maxAge !== undefined ? Number(maxAge) * 1000 : Number.isNaN(expires) ? defaultMs : expires - now
  return Math.min(mostMs, Math.max(leastMs, wished))
}
