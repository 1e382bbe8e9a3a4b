import type { AccountsDeps } from '../accounts/deps.ts'
import type { DeliveryDeps } from '../delivery/deps.ts'
import type { FederationDeps } from '../federation/deps.ts'
import type { MediaDeps } from '../media/deps.ts'
import type { PrivacyDeps } from '../privacy/deps.ts'
import type { RoomsDeps } from '../rooms/deps.ts'
import type { AddressSet } from '../util/address.ts'
import type { RateLimits } from './rate-limit.ts'

/** What the HTTP side itself needs. */
export interface HttpDeps {
  readonly rateLimits: RateLimits
  /** proxies whose `X-Forwarded-For` is believed */
  readonly trustedProxies: AddressSet
  /** aborted when the server stops: long polls answer at once */
  readonly stopping: AbortSignal
  /** the token that lets the command line use the admin listener */
  readonly operatorToken: string
}

/** Everything that a handler can reach; src/server.ts builds the one value. */
export type Deps = HttpDeps & AccountsDeps & DeliveryDeps & FederationDeps & MediaDeps & PrivacyDeps & RoomsDeps
