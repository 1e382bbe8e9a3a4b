import type { FederationClient } from '../federation/client.ts'
import type { KeyRing } from '../federation/key-ring.ts'
import type { Outbound } from '../federation/outbound.ts'
import type { EventId, RoomId, ServerName } from '../protocol/ids.ts'
import type { SigningKey } from '../protocol/sign.ts'
import type { Changes } from '../store/changes.ts'
import type { Database, Tx } from '../store/database.ts'
import type { Config } from '../util/config.ts'
import type { Failpoint } from '../util/failpoint.ts'
import type { Log } from '../util/log.ts'
import type { Clock, Random } from '../util/ports.ts'
import type { RoomEvent } from '../protocol/event.ts'
import type { ErasedUsers } from './erased.ts'
import type { QueuedDraft, Sent } from './draft.ts'
import type { Room } from './room.ts'
import type { RoomCache } from './room-cache.ts'
import type { Signer } from './signer.ts'

/** What a class offers to others: its public members, so that a test can stand in for it. */
export type Public<T> = { readonly [K in keyof T]: T[K] }

/** A file of the media repository. */
export interface MediaRef {
  readonly origin: string
  readonly mediaId: string
}

/** A message that was appended, for whoever counts notifications. */
export interface Appended {
  readonly room: Room
  readonly event: RoomEvent
  readonly eventNid: number
  readonly senderNid: number
  readonly ord: number
  /** the thread's root, undefined in the main timeline */
  readonly threadId: EventId | undefined
  /** its number among the notifying events of its thread, undefined where it notifies nobody by default */
  readonly notifyOrd: number | undefined
}

/** What the engine needs from the rest of the server. Functions take the narrowest part of it. */
export interface RoomsDeps {
  readonly database: Database
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly config: Config
  readonly serverName: ServerName
  readonly signingKey: SigningKey
  /** signs with that key */
  readonly signer: Signer
  /** ordinary messages of ours, sent together; undefined: one that has to be sent by itself */
  readonly messages: { send(message: QueuedDraft): Promise<Sent | undefined> }
  readonly keyRing: Public<KeyRing>
  readonly federation: Public<FederationClient>
  readonly outbound: Public<Outbound>
  readonly roomCache: RoomCache
  readonly erased: Public<ErasedUsers>
  readonly changes: Changes
  /** Delivery's part of an append: highlights and users whose own rules differ. Store calls only. */
  readonly notify?: (tx: Tx, appended: Appended) => Promise<void>
  /** Told, in the transaction, of files that no stored event shows any more. Store calls only. */
  readonly mediaReleased?: (tx: Tx, media: readonly MediaRef[]) => Promise<void>
  /** Told, after the commit, of rooms that are no longer open to guests. */
  readonly guestsClosed?: (roomId: RoomId) => void
  /** Told that staged events of a server wait for others that could not be had; without it such events are not kept. */
  readonly waiting?: { add(roomId: RoomId, origin: ServerName): void } | undefined
  readonly failpoint?: Failpoint | undefined
}
