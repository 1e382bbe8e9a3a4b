import { makeConfig } from '../../src/cli/config/make.ts'
import type { Deps } from '../../src/http/deps.ts'
import type { Endpoint } from '../../src/http/endpoint.ts'
import { mount } from '../../src/http/mount.ts'
import { RateLimits } from '../../src/http/rate-limit.ts'
import { AddressSet } from '../../src/util/address.ts'
import { silentLog } from '../../src/util/log.ts'
import { systemRandom } from '../../src/util/system-ports.ts'
import { FakeClock } from './clock.ts'

/** What the HTTP side needs around endpoints that a test declares; without a database of its own. */
export function httpDeps(
  values: Readonly<Record<string, unknown>> = {},
  more: object = {},
): Deps & { clock: FakeClock } {
  const config = makeConfig({ server_name: 'lethe.test', ...values })
  const clock = new FakeClock()
  const deps = {
    config,
    clock,
    random: systemRandom,
    log: silentLog,
    serverName: 'lethe.test',
    database: { durable: async () => undefined },
    rateLimits: new RateLimits(config.rateLimits, clock),
    trustedProxies: new AddressSet(config.trustedProxies),
    stopping: new AbortController().signal,
    operatorToken: 'operator token',
    ...more,
  }
  return deps as unknown as Deps & { clock: FakeClock }
}

/** Calls endpoints as a client would, without a socket. */
export function caller(deps: Deps, endpoints: readonly Endpoint[]) {
  const app = mount(deps, endpoints)
  return async (
    method: string,
    path: string,
    options: { body?: unknown; headers?: Record<string, string>; raw?: string | Uint8Array | ReadableStream } = {},
  ) => {
    const body = options.raw ?? (options.body === undefined ? undefined : JSON.stringify(options.body))
    const request = new Request(`http://lethe.test${path}`, {
      method,
      headers: options.headers ?? {},
      ...(body === undefined ? {} : { body, duplex: 'half' }),
    } as RequestInit)
    const answer = await app.fetch(request)
    const text = await answer.text()
    return {
      status: answer.status,
      headers: answer.headers,
      text,
      json: text.startsWith('{') ? JSON.parse(text) : undefined,
    }
  }
}
