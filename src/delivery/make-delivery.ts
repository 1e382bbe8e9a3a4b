import { findFact, putFact } from '../store/facts.ts'
import type { Tx } from '../store/database.ts'
import { Semaphore } from '../util/semaphore.ts'
import type { Appended } from '../rooms/deps.ts'
import { Audiences } from './audiences.ts'
import type { DeliveryBase, DeliveryDeps } from './deps.ts'
import { IgnoredUsers } from './ignored-users.ts'
import { Notifier } from './notifier.ts'
import { notify } from './notify.ts'
import { OwnRules } from './own-rules.ts'
import { NewsQueue } from './sync/news-queue.ts'
import { SentMembers } from './sync/sent-members.ts'
import { StateParts } from './sync/state-parts.ts'
import { TypingUsers } from './typing-users.ts'

/** What `makeDelivery` adds to its base, `notify` for the rooms, and `stop`. */
export interface Delivery extends Omit<DeliveryDeps, keyof DeliveryBase> {
  /** Delivery's part of an append: `RoomsDeps.notify`. */
  readonly notify: (tx: Tx, appended: Appended) => Promise<void>
  /** Lets go of everything that waits. */
  stop(): void
}

/** Makes the parts that deliver changes to readers; once for each server. */
export async function makeDelivery(base: DeliveryBase): Promise<Delivery> {
  const { database, changes, clock, roomCache } = base
  const notifier = new Notifier({ database, changes })
  const typing = new TypingUsers({ clock, changes })
  const ownRules = new OwnRules(changes)
  const ignoredUsers = new IgnoredUsers(changes)
  const audiences = new Audiences(ownRules)
  // another process wrote: what, is found out by whoever waits
  const stopListening = database.onCommitted((writerNid) => {
    if (writerNid !== database.writerNid) changes.announce({ everything: true })
  })
  return {
    notifier,
    typing,
    ownRules,
    ignoredUsers,
    wholeTurns: new Semaphore(wholeAtOnce[database.engine]),
    newsQueue: new NewsQueue(new Semaphore(batchesAtOnce[database.engine])),
    sentMembers: new SentMembers(),
    stateParts: new StateParts(roomCache),
    tokenEpoch: await tokenEpochOf(base),
    notify: (tx, appended) => notify(tx, { roomCache, audiences }, appended),
    stop: () => {
      stopListening()
      typing.stop()
      ownRules.stop()
      ignoredUsers.stop()
      notifier.stop()
    },
  }
}

/**
 * On SQLite reads go one after the other anyway, and each at the same time as others needs a connection of its own to see
 * one moment; on PostgreSQL they wait for the network.
 */
const wholeAtOnce = { sqlite: 1, postgres: 2 }
const batchesAtOnce = { sqlite: 2, postgres: 4 }

async function tokenEpochOf({ database, random }: DeliveryBase): Promise<string> {
  const stored = await database.read((conn) => findFact(conn, 'token_epoch'))
  if (stored !== undefined) return stored
  const made = random.token(4)
  return database.write(async (tx) => {
    const known = await findFact(tx, 'token_epoch')
    if (known === undefined) await putFact(tx, 'token_epoch', made)
    return known ?? made
  })
}
