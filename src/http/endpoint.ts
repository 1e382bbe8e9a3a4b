import type { GenericSchema, InferOutput } from 'valibot'
import type { Requester } from '../accounts/requester.ts'
import type { ServerName, UserId } from '../protocol/ids.ts'
import type { Resource } from '../util/config.ts'
import type { BodyKind } from './body.ts'
import type { Deps } from './deps.ts'
import type { LimitKind } from './rate-limit.ts'
import type { HttpRequest } from './request.ts'

export type Method = 'GET' | 'POST' | 'PUT' | 'DELETE'

/** Who may call, and what the handler learns of them. */
export interface Requesters {
  /** anybody; a token is not looked at */
  none: undefined
  /** anybody; a token must be valid where there is one */
  optional: Requester | undefined
  user: Requester
  /** another homeserver, by a signed request; the body is verified too */
  server: { readonly origin: ServerName }
  /** an application service, acting as itself or one of its users */
  appservice: Requester
  /** an administrator by access token, or the operator by the token in the data directory */
  admin: AdminRequester
}

export type Auth = keyof Requesters

/** Who runs an admin endpoint; `actor` is the user id, or `operator`. */
export interface AdminRequester {
  readonly actor: string
  readonly userId: UserId | undefined
}

type ParamNames<Path extends string> = Path extends `${string}/:${infer Name}/${infer Rest}`
  ? Name | ParamNames<`/${Rest}`>
  : Path extends `${string}/:${infer Name}`
    ? Name
    : never

/** The parameters of a path, decoded; one that an alias lacks is empty. */
export type PathParams<Path extends string> = { readonly [Name in ParamNames<Path>]: string }

type MaybeSchema = GenericSchema | undefined
type OutputOf<S extends MaybeSchema, Otherwise> = S extends GenericSchema ? InferOutput<S> : Otherwise

/** What a handler gets. */
export interface Context<A extends Auth, Params, Query, Body> {
  readonly deps: Deps
  readonly requester: Requesters[A]
  readonly params: Params
  readonly query: Query
  readonly body: Body
  readonly request: HttpRequest
}

/** How an endpoint is written down. */
export interface EndpointSpec<
  Path extends string,
  A extends Auth,
  P extends MaybeSchema,
  Q extends MaybeSchema,
  B extends MaybeSchema,
> {
  readonly method: Method
  /** hono's form: `/_matrix/client/v3/rooms/:roomId/kick`; r0 of client v3, and r0 and v1 of media v3, come by themselves */
  readonly path: Path
  readonly aliases?: readonly string[]
  readonly auth: A
  readonly limit: LimitKind
  /** checks and changes the path's parameters, which are strings; a refusal is `M_INVALID_PARAM` */
  readonly params?: P
  /** of an object whose values are strings, arrays where a key is repeated; unknown keys are dropped */
  readonly query?: Q
  /** of the JSON body, `{}` where there is none; without a schema the body is not read: see `HttpRequest.stream` */
  readonly body?: B
  /** `event` (128 KiB) unless told */
  readonly bodyKind?: BodyKind
  /** open to guests (client-server API, "Guest Access"); closed unless told */
  readonly guests?: boolean
  /** open to locked accounts (client-server API, "Account locking"); closed unless told */
  readonly locked?: boolean
  /** closed to suspended accounts (client-server API, "Account suspension"); open unless told */
  readonly suspended?: boolean
  /**
   * An answer that is no error tells nothing but what `handle` itself wrote last, which is on disk when that write
   * resolves: then it does not wait for what others committed meanwhile, as every other answer does.
   */
  readonly tellsOwnWrite?: boolean
  /** which listeners offer it; by the path unless told */
  readonly resources?: readonly Resource[]
  /** Gives the body of a 200 answer, or a `Reply`. Throws `MatrixError`. */
  handle(
    context: Context<
      A,
      OutputOf<P, PathParams<Path>>,
      OutputOf<Q, Readonly<Record<string, never>>>,
      OutputOf<B, undefined>
    >,
  ): object | Promise<object>
}

/** An endpoint whatever its types: what `mount` takes. */
export interface Endpoint {
  readonly method: Method
  readonly path: string
  readonly aliases: readonly string[]
  readonly auth: Auth
  readonly limit: LimitKind
  readonly params: GenericSchema | undefined
  readonly query: GenericSchema | undefined
  readonly body: GenericSchema | undefined
  readonly bodyKind: BodyKind
  readonly guests: boolean
  readonly locked: boolean
  readonly suspended: boolean
  readonly tellsOwnWrite: boolean
  readonly resources: readonly Resource[]
  handle(context: Context<Auth, unknown, unknown, unknown>): object | Promise<object>
}

/** Declares an endpoint: one value that says all there is to say about it. */
export function endpoint<
  const Path extends string,
  const A extends Auth,
  P extends MaybeSchema = undefined,
  Q extends MaybeSchema = undefined,
  B extends MaybeSchema = undefined,
>(spec: EndpointSpec<Path, A, P, Q, B>): Endpoint {
  return {
    method: spec.method,
    path: spec.path,
    aliases: [
      ...historicalPaths(spec.path),
      ...(spec.aliases ?? []).flatMap((path) => [path, ...historicalPaths(path)]),
    ],
    auth: spec.auth,
    limit: spec.limit,
    params: spec.params,
    query: spec.query,
    body: spec.body,
    bodyKind: spec.bodyKind ?? 'event',
    guests: spec.guests ?? false,
    locked: spec.locked ?? false,
    suspended: spec.suspended ?? true,
    tellsOwnWrite: spec.tellsOwnWrite ?? false,
    resources: spec.resources ?? resourcesOf(spec.path),
    // The gate makes exactly the requester and the values that the schemas of this very endpoint describe.
    handle: (context) => spec.handle(context as Parameters<typeof spec.handle>[0]),
  }
}

/** The paths that older clients use for the same endpoint. */
function historicalPaths(path: string): string[] {
  const rest = (prefix: string) => (path.startsWith(prefix) ? path.slice(prefix.length) : undefined)
  const client = rest('/_matrix/client/v3/')
  if (client !== undefined) return [`/_matrix/client/r0/${client}`]
  const media = rest('/_matrix/media/v3/')
  return media === undefined ? [] : [`/_matrix/media/r0/${media}`, `/_matrix/media/v1/${media}`]
}

const resourcesByPrefix: readonly (readonly [string, readonly Resource[]])[] = [
  ['/_matrix/client/v1/media/', ['media']],
  ['/_matrix/media/', ['media']],
  ['/_matrix/federation/', ['federation']],
  ['/_matrix/key/', ['federation']],
  ['/_matrix/', ['client']],
  ['/.well-known/matrix/', ['client', 'federation']],
  ['/_synapse/admin/', ['admin']],
  ['/_lethe/admin/', ['admin']],
  ['/_lethe/metrics', ['metrics']],
  ['/health', ['health']],
]

function resourcesOf(path: string): readonly Resource[] {
  return resourcesByPrefix.find(([prefix]) => path.startsWith(prefix))?.[1] ?? ['console']
}
