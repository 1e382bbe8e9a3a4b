import { TrieRouter } from 'hono/router/trie-router'
import { MatrixError } from '../protocol/errors.ts'
import type { Resource } from '../util/config.ts'
import { SharedEnding } from '../util/ending.ts'
import { toResponse } from './answer.ts'
import type { Answer } from './answer.ts'
import { callOfRequest } from './call.ts'
import type { Call } from './call.ts'
import { isOpenToOrigins } from './cors.ts'
import type { Deps } from './deps.ts'
import type { Endpoint } from './endpoint.ts'
import { handle } from './handle.ts'
import { HttpRequest } from './request.ts'
import { asMatrixError, respondError, respondOptions } from './respond.ts'

/** One path of an endpoint in the router. */
interface Route {
  readonly endpoint: Endpoint
  /** the names of the endpoint's own parameters */
  readonly names: readonly string[]
}

/** The HTTP side of a server: answers requests, never rejects. */
export interface App {
  answer(call: Call): Promise<Answer>
  /** As `answer`, without a socket; `address` is the caller's. */
  fetch(request: Request, arrival?: { readonly address?: string }): Promise<Response>
}

const methods = ['GET', 'POST', 'PUT', 'DELETE'] as const

/**
 * Puts endpoints behind the gate and answers everything else: the only place that knows the router, so that no route
 * lacks auth or a limit. Routes on the raw target. `resources` chooses which endpoints are offered; all unless given.
 * Throws when two endpoints share a method and path.
 */
export function mount(deps: Deps, endpoints: readonly Endpoint[], resources?: readonly Resource[]): App {
  const router = new TrieRouter<Route>()
  const seen = new Set<string>()
  for (const endpoint of endpoints) {
    if (resources && !endpoint.resources.some((resource) => resources.includes(resource))) continue
    const names = parameterNames(endpoint.path)
    for (const path of new Set([endpoint.path, ...endpoint.aliases])) {
      const shape = `${endpoint.method} ${path.replaceAll(/:[^/]+/g, ':')}`
      if (seen.has(shape)) throw new Error(`two endpoints for ${endpoint.method} ${path}`)
      seen.add(shape)
      router.add(endpoint.method, path, { endpoint, names })
    }
  }

  const needs = { trustedProxies: deps.trustedProxies, stopping: new SharedEnding(deps.stopping) }
  let served = 0
  const prefix = deps.random.token(4)

  const find = (method: string, path: string) => {
    const match = router.match(method, path)[0][0]
    return match && { route: match[0], found: match[1] as Readonly<Record<string, string>> }
  }

  return appOf(async (call) => {
    const { method, target } = call
    const mark = target.indexOf('?')
    const path = mark < 0 ? target : target.slice(0, mark)
    const isOpen = isOpenToOrigins(path)
    if (method === 'OPTIONS') return respondOptions(isOpen)
    const id = `${prefix}-${++served}`
    try {
      const match = find(method === 'HEAD' ? 'GET' : method, path)
      if (!match) return respondError(unrecognized(methods.some((other) => find(other, path)) ? 405 : 404), isOpen)
      const { endpoint, names } = match.route
      const params = decodeParams(names, match.found)
      return await handle(deps, endpoint, params, new HttpRequest(id, call, needs), isOpen)
    } catch (error) {
      return respondError(asMatrixError(error, id), isOpen)
    }
  })
}

const appOf = (answer: App['answer']): App => ({
  answer,
  fetch: async (request, { address } = {}) => toResponse(await answer(callOfRequest(request, address))),
})

const unrecognized = (status: 404 | 405) =>
  new MatrixError(
    'M_UNRECOGNIZED',
    status === 404 ? 'no such endpoint' : 'no such method for this endpoint',
    {},
    status,
  )

function parameterNames(path: string): string[] {
  return [...path.matchAll(/:([^/]+)/g)].map(([, name]) => name as string)
}

function decodeParams(
  names: readonly string[],
  found: Readonly<Record<string, string>>,
): Readonly<Record<string, string>> {
  const params: Record<string, string> = {}
  for (const name of names) {
    const value = found[name] ?? ''
    params[name] = value.includes('%') ? decode(name, value) : value
  }
  return params
}

function decode(name: string, value: string): string {
  try {
    return decodeURIComponent(value)
  } catch {
    throw new MatrixError('M_INVALID_PARAM', `${name}: not UTF-8`)
  }
}
