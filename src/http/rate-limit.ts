import { MatrixError } from '../protocol/errors.ts'
import { Budgets } from '../util/budget.ts'
import type { Rate } from '../util/budget.ts'
import { maskAddress } from '../util/address.ts'
import type { RateLimitsConfig } from '../util/config-sections.ts'
import type { Clock } from '../util/ports.ts'

/** The buckets that an endpoint can belong to; `none` has no limit. */
export type LimitKind = 'none' | Exclude<keyof RateLimitsConfig, 'enabled'>

/** Throws `M_LIMIT_EXCEEDED` with `retry_after_ms` (client-server API, "Rate limiting"). */
export function refuseForMs(waitMs: number): never {
  const retryAfterMs = Math.min(Math.max(1, Math.ceil(waitMs)), 86_400_000)
  throw new MatrixError('M_LIMIT_EXCEEDED', 'too many requests', { retry_after_ms: retryAfterMs })
}

/** One token bucket for each kind and caller. Kept in memory only, per process. */
export class RateLimits {
  readonly #buckets: ReadonlyMap<LimitKind, Budgets>
  readonly #failures: Budgets

  constructor(config: RateLimitsConfig, clock: Clock) {
    const { enabled, ...kinds } = config
    const entries = Object.entries(kinds) as [LimitKind, Rate][]
    this.#buckets = new Map(enabled ? entries.map(([kind, rate]) => [kind, new Budgets(rate, clock)]) : [])
    // NOTSPEC: 5 failed log-ins at once, then one in 10 s.
    this.#failures = new Budgets(enabled ? { burst: 5, perSecond: 0.1 } : { burst: Infinity, perSecond: 0 }, clock)
  }

  /** Takes one from the caller's bucket, or throws `M_LIMIT_EXCEEDED`. `caller` is a user id or `addressKey`. */
  take(kind: LimitKind, caller: string, cost = 1): void {
    const waitMs = this.#buckets.get(kind)?.take(caller, cost) ?? 0
    if (waitMs > 0) refuseForMs(waitMs)
  }

  /**
   * Before a secret is checked: throws `M_LIMIT_EXCEEDED` after too many failures for the account or from the address.
   * The account need not exist. Takes a place, which `loginSucceeded` gives back.
   */
  beforeLogin(account: string, address: string): void {
    const waitMs = Math.max(
      this.#failures.take(`account ${account.toLowerCase()}`),
      this.#failures.take(`address ${addressKey(address)}`),
    )
    if (waitMs > 0) refuseForMs(waitMs)
  }

  /** A right secret: the attempt does not count as a failure. */
  loginSucceeded(account: string, address: string): void {
    this.#failures.take(`account ${account.toLowerCase()}`, -1)
    this.#failures.take(`address ${addressKey(address)}`, -1)
  }
}

/** What addresses share a bucket: an IPv4 address alone, an IPv6 network of 64 bits together. */
export function addressKey(address: string): string {
  return maskAddress(address, { ipv4: 32, ipv6: 64 })
}
