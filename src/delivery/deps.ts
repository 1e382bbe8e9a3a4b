import type { Outbound } from '../federation/outbound.ts'
import type { ServerName } from '../protocol/ids.ts'
import type { Public } from '../rooms/deps.ts'
import type { ErasedUsers } from '../rooms/erased.ts'
import type { RoomCache } from '../rooms/room-cache.ts'
import type { Changes } from '../store/changes.ts'
import type { Database } from '../store/database.ts'
import type { Config } from '../util/config.ts'
import type { Log } from '../util/log.ts'
import type { Clock, Random } from '../util/ports.ts'
import type { Semaphore } from '../util/semaphore.ts'
import type { IgnoredUsers } from './ignored-users.ts'
import type { Notifier } from './notifier.ts'
import type { OwnRules } from './own-rules.ts'
import type { NewsQueue } from './sync/news-queue.ts'
import type { SentMembers } from './sync/sent-members.ts'
import type { StateParts } from './sync/state-parts.ts'
import type { TypingUsers } from './typing-users.ts'

/** What delivery is built on. */
export interface DeliveryBase {
  readonly database: Database
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly config: Config
  readonly serverName: ServerName
  readonly roomCache: RoomCache
  readonly erased: Public<ErasedUsers>
  readonly changes: Changes
  readonly outbound: Pick<Outbound, 'sendEphemeral'>
}

/** What delivers changes to readers, and what that needs; `makeDelivery` makes it. Functions take the narrowest part. */
export interface DeliveryDeps extends DeliveryBase {
  /** readers that wait */
  readonly notifier: Notifier
  /** who is typing where */
  readonly typing: TypingUsers
  /** member events that each device has been sent */
  readonly sentMembers: SentMembers
  /** states without their members */
  readonly stateParts: StateParts
  /** push rules of local users, made ready */
  readonly ownRules: OwnRules
  /** whom local users ignore */
  readonly ignoredUsers: IgnoredUsers
  /** turns of readers who want everything */
  readonly wholeTurns: Semaphore
  /** readers who want what is new */
  readonly newsQueue: NewsQueue
  /** names this database in tokens: one of another database is no position here */
  readonly tokenEpoch: string
}
