import type { Attempts } from '../../accounts/deps.ts'
import type { Deps } from '../deps.ts'
import type { HttpRequest } from '../request.ts'

/** Counts failed proofs of identity of this caller, by account and by address. */
export function attemptsBy({ rateLimits }: Pick<Deps, 'rateLimits'>, request: Pick<HttpRequest, 'address'>): Attempts {
  return {
    before: (account) => rateLimits.beforeLogin(account, request.address),
    succeeded: (account) => rateLimits.loginSucceeded(account, request.address),
  }
}
