import { FederationClient } from '../federation/client.ts'
import { Destinations } from '../federation/destinations.ts'
import { Discovery } from '../federation/discovery.ts'
import { InboundTransactions } from '../federation/inbound.ts'
import { KeyRing } from '../federation/key-ring.ts'
import { Outbound } from '../federation/outbound.ts'
import type { OwnKeys } from '../federation/signing-key.ts'
import type { Prepare } from '../federation/transaction.ts'
import { parseServerName } from '../protocol/ids.ts'
import type { ServerName } from '../protocol/ids.ts'
import type { Database } from '../store/database.ts'
import type { Config } from '../util/config.ts'
import { readPem } from './ports.ts'
import type { Ports } from './ports.ts'

/** Everything that talks with other servers. `prepare` writes events as a server may see them. */
export function makeFederation(
  config: Config,
  ports: Ports,
  own: {
    readonly serverName: ServerName
    readonly ownKeys: OwnKeys
    readonly database: Database
    readonly prepare: Prepare
  },
) {
  const { enabled, retry, staticRoutes, extraCaFiles, trustedKeyServers } = config.federation
  const discovery = new Discovery({ ...ports, staticRoutes })
  const transport = { net: ports.net, discovery, extraCa: extraCaFiles.map(readPem) }
  const base = { ...ports, ...own, ...transport, enabled }
  const destinations = new Destinations({ ...base, retry })
  const keyRing = new KeyRing({
    ...base,
    trustedKeyServers: trustedKeyServers.flatMap((name) => parseServerName(name) ?? []),
  })
  const federation = new FederationClient({ ...base, signingKey: own.ownKeys.current, destinations })
  const outbound = new Outbound({ ...base, federation, destinations })
  const inbound = new InboundTransactions(base)
  return { keyRing, federation, outbound, destinations, inbound, signingKey: own.ownKeys.current }
}
