import { timingSafeEqual } from 'node:crypto'
import { authenticate } from '../accounts/session.ts'
import type { Requester } from '../accounts/requester.ts'
import { verifyRequest } from '../federation/verify-request.ts'
import { MatrixError } from '../protocol/errors.ts'
import type { JsonObject } from '../protocol/json-types.ts'
import type { Deps } from './deps.ts'
import type { AdminRequester, Auth, Endpoint, Requesters } from './endpoint.ts'
import { addressKey } from './rate-limit.ts'
import type { HttpRequest } from './request.ts'

/**
 * Lets a request through to its endpoint: who makes it, whether they may at all, and whether it is too much.
 * `body` is the parsed body of a server's request, which its signature covers. Throws `M_MISSING_TOKEN`,
 * `M_UNKNOWN_TOKEN`, `M_USER_LOCKED`, `M_USER_SUSPENDED`, `M_GUEST_ACCESS_FORBIDDEN`, `M_FORBIDDEN`,
 * `M_UNAUTHORIZED`, `M_LIMIT_EXCEEDED`.
 */
export async function passGate<A extends Auth>(
  deps: Deps,
  endpoint: Endpoint & { readonly auth: A },
  request: HttpRequest,
  body: () => Promise<JsonObject | undefined>,
): Promise<Requesters[A]> {
  const requester = await identify(deps, endpoint, request, body)
  if (endpoint.limit !== 'none') limit(deps, endpoint, request, requester)
  // `identify` made what belongs to this endpoint's kind of auth.
  return requester as Requesters[A]
}

async function identify(
  deps: Deps,
  endpoint: Endpoint,
  request: HttpRequest,
  body: () => Promise<JsonObject | undefined>,
): Promise<Requesters[Auth]> {
  switch (endpoint.auth) {
    case 'none':
      return undefined
    case 'optional':
      return accessToken(deps, request) === undefined ? undefined : user(deps, endpoint, request)
    case 'user':
      return user(deps, endpoint, request)
    case 'appservice': {
      const requester = await user(deps, endpoint, request)
      if (requester.kind !== 'appservice') throw new MatrixError('M_FORBIDDEN', 'only for application services')
      return requester
    }
    case 'admin':
      return admin(deps, endpoint, request)
    case 'server': {
      // Whom the request names is not proved yet, and finding out costs calls to other servers.
      deps.rateLimits.take('federation', `unproved ${addressKey(request.address)}`)
      const { method, target } = request
      const authorization = request.headerValues('authorization')
      return { origin: await verifyRequest(deps, { method, target, authorization, body: await body() }) }
    }
  }
}

async function user(deps: Deps, endpoint: Endpoint, request: HttpRequest): Promise<Requester> {
  const token = accessToken(deps, request)
  if (token === undefined) throw new MatrixError('M_MISSING_TOKEN', 'no access token')
  const { search, address, userAgent } = request
  const requester = await authenticate(deps, token, {
    asUserId: search.get('user_id') ?? undefined,
    asDeviceId: search.get('device_id') ?? search.get('org.matrix.msc3202.device_id') ?? undefined,
    address,
    userAgent,
    doNotTrack: request.header('dnt') === '1',
    isLockedAllowed: endpoint.locked,
  })
  if (requester.kind === 'guest' && !endpoint.guests) {
    throw new MatrixError('M_GUEST_ACCESS_FORBIDDEN', 'guests may not do this')
  }
  if (requester.suspended && !endpoint.suspended) throw new MatrixError('M_USER_SUSPENDED', 'this account is suspended')
  return requester
}

async function admin(deps: Deps, endpoint: Endpoint, request: HttpRequest): Promise<AdminRequester> {
  const token = accessToken(deps, request)
  if (token !== undefined && isSame(token, deps.operatorToken)) return { actor: 'operator', userId: undefined }
  const { admin: isMarked, userId } = await user(deps, endpoint, request)
  if (!isMarked && !deps.config.admin.users.includes(userId))
    throw new MatrixError('M_FORBIDDEN', 'only for administrators')
  return { actor: userId, userId }
}

function accessToken({ config }: Deps, request: HttpRequest): string | undefined {
  const header = request.header('authorization')
  if (header !== undefined) return /^Bearer +(\S+)$/i.exec(header)?.[1]
  // Only looked for where it can be, so that most requests never parse their query here.
  if (!config.compatibility.accessTokenInQuery || !request.target.includes('access_token=')) return undefined
  return request.search.get('access_token') || undefined
}

function isSame(a: string, b: string): boolean {
  const [left, right] = [Buffer.from(a), Buffer.from(b)]
  return left.length === right.length && timingSafeEqual(left, right)
}

function limit(deps: Deps, endpoint: Endpoint, request: HttpRequest, requester: Requesters[Auth]): void {
  if (requester === undefined) return deps.rateLimits.take(endpoint.limit, addressKey(request.address))
  if ('origin' in requester) return deps.rateLimits.take(endpoint.limit, requester.origin)
  if ('kind' in requester && requester.kind === 'appservice') return
  deps.rateLimits.take(endpoint.limit, requester.userId ?? 'operator')
}
