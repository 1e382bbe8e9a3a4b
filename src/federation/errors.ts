import { MatrixError, type ErrCode } from '../protocol/errors.ts'
import type { ServerName } from '../protocol/ids.ts'

/**
 * Why a request to another server brought nothing. `refused`: it answered with an error; `unreachable`: no connection,
 * or it is not asked for now; `timeout`: no answer in time; `bad_answer`: an answer that is none.
 */
export type FederationFailure = 'refused' | 'unreachable' | 'timeout' | 'bad_answer'

/** What the other server answered, where it answered with an error. Never shown or logged as it is. */
export interface RemoteRefusal {
  /** the HTTP status */
  readonly status: number
  /** the error code in its body, if there was one */
  readonly errcode: string | undefined
  /** the whole body, where it was a JSON object */
  readonly body: Readonly<Record<string, unknown>> | undefined
  /** how long it asks us to wait, in ms */
  readonly retryAfterMs: number | undefined
}

/** What a remote's refusal may mean to a local user; anything else it says becomes 502. */
const passedOn: ReadonlyMap<string, number> = new Map<ErrCode, number>([
  ['M_FORBIDDEN', 403],
  ['M_NOT_FOUND', 404],
  ['M_BAD_STATE', 400],
  ['M_INVITE_BLOCKED', 403],
  ['M_INCOMPATIBLE_ROOM_VERSION', 400],
  ['M_UNSUPPORTED_ROOM_VERSION', 400],
  ['M_UNABLE_TO_AUTHORISE_JOIN', 400],
  ['M_UNABLE_TO_GRANT_JOIN', 400],
])

/** A request to another server that failed. As an answer to a local user: its refusal where that tells something, else 502 or 504. */
export class FederationError extends MatrixError {
  readonly kind: FederationFailure
  readonly destination: ServerName
  readonly remote: RemoteRefusal | undefined

  constructor(
    kind: FederationFailure,
    destination: ServerName,
    reason: string,
    remote?: RemoteRefusal,
    cause?: unknown,
  ) {
    const status = remote?.errcode === undefined ? undefined : passedOn.get(remote.errcode)
    const errcode = status === undefined ? 'M_UNKNOWN' : (remote?.errcode as ErrCode)
    super(errcode, `${destination}: ${reason}`, {}, status ?? (kind === 'timeout' ? 504 : 502))
    this.name = 'FederationError'
    this.kind = kind
    this.destination = destination
    this.remote = remote
    if (cause !== undefined) this.cause = cause
  }
}

/** An answer of a remote that does not say what it must. */
export function badAnswer(destination: ServerName, reason: string): FederationError {
  return new FederationError('bad_answer', destination, reason)
}
