import type { Requester } from '../../accounts/requester.ts'
import type { Filter } from '../../protocol/filter.ts'
import type { ReadDeps } from '../../rooms/read-options.ts'
import { viewerOf } from '../../rooms/viewer.ts'
import type { Ending } from '../../util/ending.ts'
import type { DeliveryDeps } from '../deps.ts'
import type { Wait } from '../notifier.ts'
import { emptyBody, readAnswer } from './answer.ts'
import type { StateAfterKey, SyncAnswer, SyncRequest } from './request.ts'
import { formatSyncToken, parseSyncToken } from './token.ts'

/** What a client asks of `/sync`. */
export interface SyncParams {
  readonly since: string | undefined
  readonly filter: Filter
  readonly fullState: boolean
  readonly stateAfterKey: StateAfterKey | undefined
  readonly timeoutMs: number
  /** aborted when the caller is gone or the server stops */
  readonly signal: Ending
}

/** How long a request may wait, whatever it asks for. */
export const mostTimeoutMs = 180_000

/**
 * What is new for a client since its token, or everything; waits up to the timeout until there is something (client-server
 * API, "GET /sync"). A token of another database is answered as if there were none. Throws `M_INVALID_PARAM` for what
 * never was a token.
 */
export async function sync(deps: DeliveryDeps & ReadDeps, requester: Requester, params: SyncParams): Promise<object> {
  const { since: sinceText, filter, fullState, stateAfterKey, signal } = params
  const since = sinceText === undefined ? undefined : parseSyncToken(deps.tokenEpoch, sinceText)
  let request: SyncRequest = { viewer: viewerOf(requester), since, sinceText, filter, fullState, stateAfterKey }
  const endMs = deps.clock.monotonic() + Math.min(params.timeoutMs, mostTimeoutMs)
  const mayWait = since !== undefined && !fullState && params.timeoutMs > 0
  for (;;) {
    const wait = mayWait ? await deps.notifier.begin(requester.userNid) : undefined
    const answer = (wait && nothingNew(deps, request)) ?? (await readOrEnd(deps, request, wait))
    if (wait === undefined || !answer.isEmpty) {
      wait?.end()
      return answer.body
    }
    const leftMs = endMs - deps.clock.monotonic()
    if (!(await wait.until(leftMs, signal, (ms, fn) => deps.clock.setTimer(ms, fn)))) return answer.body
    // what lies before this moment is nothing to the reader
    request = { ...request, since: answer.now }
  }
}

async function readOrEnd(
  deps: DeliveryDeps & ReadDeps,
  request: SyncRequest,
  wait: Wait | undefined,
): Promise<SyncAnswer> {
  try {
    return await readAnswer(deps, request)
  } catch (error) {
    wait?.end()
    throw error
  }
}

/** The answer to who stands where the database is: a client that comes back at once has nothing read for it. */
function nothingNew({ database, typing, tokenEpoch }: DeliveryDeps, { since }: SyncRequest): SyncAnswer | undefined {
  if (since === undefined || since.typing !== typing.serial || !database.isAt(since.vector)) return undefined
  return { isEmpty: true, now: since, body: emptyBody(formatSyncToken(tokenEpoch, since)) }
}
