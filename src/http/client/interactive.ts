import type { Requester } from '../../accounts/requester.ts'
import { assertInteractive } from '../../accounts/uia.ts'
import type { JsonObject } from '../../protocol/json-types.ts'
import type { Deps } from '../deps.ts'
import type { HttpRequest } from '../request.ts'
import { attemptsBy } from './attempts.ts'

/**
 * Lets its caller go on once the requester proved again who they are: by password, guests by nothing more than their
 * token. `operation` is method and path, `body` the whole request. Throws `InteractiveAuthRequired` (401) and more.
 */
export async function proveIdentity(
  deps: Deps,
  requester: Requester,
  request: HttpRequest,
  operation: string,
  body: JsonObject,
): Promise<void> {
  const { auth, ...bound } = body
  const { userNid, userId } = requester
  const flows = requester.kind === 'guest' ? [['m.login.dummy']] : [['m.login.password']]
  await assertInteractive(
    deps,
    { operation, claimant: { userNid, userId }, flows, auth, bound },
    attemptsBy(deps, request),
  )
}
