import type { ServerName } from '../protocol/ids.ts'
import type { Database } from '../store/database.ts'
import type { Clock } from '../util/ports.ts'
import type { FederationClient } from './client.ts'
import type { Destinations } from './destinations.ts'
import type { InboundTransactions } from './inbound.ts'
import type { KeyRing } from './key-ring.ts'
import type { Outbound } from './outbound.ts'

/** What federation offers to the rest of the server, and what its endpoints need. */
export interface FederationDeps {
  readonly serverName: ServerName
  readonly database: Database
  readonly clock: Clock
  readonly keyRing: { readonly [K in keyof KeyRing]: KeyRing[K] }
  readonly federation: { readonly [K in keyof FederationClient]: FederationClient[K] }
  readonly outbound: { readonly [K in keyof Outbound]: Outbound[K] }
  readonly destinations: { readonly [K in keyof Destinations]: Destinations[K] }
  readonly inbound: InboundTransactions
}
