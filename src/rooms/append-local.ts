import type { RoomEvent } from '../protocol/event.ts'
import type { Tx } from '../store/database.ts'
import { listKnownEvents } from '../store/events.ts'
import type { AppendDeps, AppendResult } from './append.ts'
import { append } from './append.ts'
import type { BuildDeps, Draft } from './build.ts'
import { buildEvent } from './build.ts'
import { eventAt } from './layers.ts'
import type { Room } from './room.ts'
import { assertMaySend } from './sender.ts'

export type LocalDeps = AppendDeps & BuildDeps

/** What a caller who acts for an account that is being closed may add. */
export interface LocalOptions {
  /** Acts for a deactivated or erased account: leaving, redacting, giving up power. */
  readonly mayBeDeactivated?: boolean
  /** The sender's row id, where the caller looked at the account in this very transaction. */
  readonly senderNid?: number
}

/**
 * Builds, judges and stores an event of a local user, inside a write: the way of all that are not part of a run of messages
 * (see `sendTogether`). The room is as this write sees it, and the one returned is for the next event. Throws what
 * `buildEvent` and `assertMaySend` throw.
 */
export async function appendLocal(
  tx: Tx,
  deps: LocalDeps,
  room: Room,
  draft: Draft,
  options: LocalOptions = {},
): Promise<AppendResult> {
  const senderNid =
    options.senderNid ?? (await assertMaySend(tx, deps, draft.sender, options.mayBeDeactivated ?? false))
  const { event, authEvents } = await buildEvent(tx, deps, room, draft)
  const authNids = event.stateKey === undefined ? [] : await nidsOf(tx, deps, room, authEvents)
  return append(tx, deps, room, {
    event,
    isLocal: true,
    senderNid,
    authNids,
    before: room.chain,
    arrival: 'live',
  })
}

async function nidsOf(tx: Tx, deps: LocalDeps, room: Room, events: readonly RoomEvent[]): Promise<number[]> {
  const nids: number[] = []
  for (const { type, stateKey = '', eventId } of events) {
    const keyNid = await deps.roomCache.stateKeyNid(tx, { type, stateKey })
    const nid = keyNid === undefined ? undefined : eventAt(room.chain, keyNid)
    const known = nid ?? (await listKnownEvents(tx, [eventId])).get(eventId)?.eventNid
    if (known === undefined) throw new Error('an auth event is not stored')
    nids.push(known)
  }
  return nids
}
