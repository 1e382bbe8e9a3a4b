import type { ServerName } from '../protocol/ids.ts'
import type { JsonObject } from '../protocol/json-types.ts'
import type { Database } from '../store/database.ts'
import type { Log } from '../util/log.ts'
import type { Clock, Random } from '../util/ports.ts'
import type { FederationClient } from './client.ts'
import type { Destinations } from './destinations.ts'
import type { Prepare } from './transaction.ts'

/** An EDU that is worth sending now or never: typing, receipts, presence. */
export interface EphemeralEdu {
  readonly type: string
  readonly content: JsonObject
  /** a later EDU of the same key takes its place; none: nothing does */
  readonly key?: string
}

/** What sending to other servers needs. */
export interface OutboundDeps {
  readonly serverName: ServerName
  readonly database: Database
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly federation: Pick<FederationClient, 'sendTransaction'>
  readonly destinations: Destinations
  readonly prepare: Prepare
  /** whether federation is switched on at all: without it things wait */
  readonly enabled: boolean
}
