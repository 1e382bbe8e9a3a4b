import type { FederationClient } from '../federation/client.ts'
import type { Outbound } from '../federation/outbound.ts'
import type { ServerName, UserId } from '../protocol/ids.ts'
import type { Changes } from '../store/changes.ts'
import type { Database, Tx } from '../store/database.ts'
import type { Config } from '../util/config.ts'
import type { Log } from '../util/log.ts'
import type { Clock, Random } from '../util/ports.ts'
import type { LastSeen } from './last-seen.ts'
import type { Passwords } from './passwords.ts'
import type { Requester } from './requester.ts'
import type { Sessions } from './sessions.ts'

/** What accounts need from the rest of the server. Functions take the narrowest part of it. */
export interface AccountsDeps {
  readonly database: Database
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly config: Config
  readonly serverName: ServerName
  readonly federation: Pick<FederationClient, 'queryProfile'>
  readonly outbound: Pick<Outbound, 'queueEdu'>
  readonly changes: Pick<Changes, 'announce'>
  readonly passwords: Passwords
  readonly sessions: Sessions
  readonly lastSeen: LastSeen
  readonly departure: Departure
  /** A display name or avatar changed: the member events of the user's rooms are to follow. */
  readonly profileChanged: (requester: Requester) => Promise<void>
  /** Whether an application service alone may make accounts of this name. */
  readonly isExclusiveName?: (localpart: string) => boolean
}

/** A deactivation that is written down outside the database. */
export interface DeactivationRecord {
  /** Called in the transaction: the database learns up to where the record goes. */
  inTransaction(tx: Tx): Promise<void>
  /** Called where the transaction failed: the record does not count. */
  abandoned(): Promise<void>
}

/** What the end of an account needs from parts of the server that stand above this one. */
export interface Departure {
  /**
   * Writes down outside the database, durably, that the account ends (so that a restored backup does not bring it
   * back); called before the transaction.
   */
  recordDeactivation(account: { readonly userId: UserId; readonly ts: number }): Promise<DeactivationRecord>
  /** Leaves every room and declines every invite; failures are its own to log and to try again. */
  leaveAllRooms(account: { readonly userId: UserId; readonly userNid: number }): Promise<void>
  /** Ends the account and begins the erasure of all that it left; when this returns nobody new sees any of it (T0). */
  erase(requester: Requester): Promise<{ readonly receipt: string | undefined }>
}

/** Counts failed proofs of identity; both throw `M_LIMIT_EXCEEDED` or nothing. */
export interface Attempts {
  /** Before a secret is checked; `account` need not exist. */
  before(account: string): void
  /** The secret was right: the attempt does not count. */
  succeeded(account: string): void
}
