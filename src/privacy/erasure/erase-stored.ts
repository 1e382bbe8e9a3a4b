import type { RoomId, UserId } from '../../protocol/ids.ts'
import { deleteBlobFiles, deleteMediaRows } from '../../media/remove.ts'
import type { ErasureMark } from '../../rooms/prune-rule.ts'
import type { Tx } from '../../store/database.ts'
import {
  listEventsAbout,
  listEventsBySender,
  listRoomsWithEventsAbout,
  listRoomsWrittenIn,
} from '../../store/erasure-events.ts'
import { deleteLinksOfMedia, listMediaWithHolders, listRemoteMediaOfUser } from '../../store/erasure-media.ts'
import type { ErasureMode } from '../../store/erasures.ts'
import { deletedFact, raiseFact } from '../../store/facts.ts'
import type { EventRow } from '../../store/events.ts'
import { room as roomLock } from '../../store/locks.ts'
import { findStateKeyNid } from '../../store/state-keys.ts'
import type { PrivacyDeps } from '../deps.ts'
import { Holders } from './holders.ts'
import { pruneStored } from './prune.ts'

const slice = 100

/** Whose stored content goes. */
export interface StoredErasure {
  readonly userNid: number
  readonly userId: UserId
  readonly mode: ErasureMode
  readonly mark: ErasureMark
  readonly isLocal: boolean
}

/**
 * Prunes at rest all that is stored of a person and that nobody holds (any more), also the name that others' invites and
 * kicks tell, and deletes the files. For erasures
 * without working rows: those that other servers asked for, and those that are settled when the last holder goes. It may
 * be repeated at any time. Gives whether anything was left to prune.
 */
export async function eraseStored(deps: PrivacyDeps, signal: AbortSignal, erasure: StoredErasure): Promise<boolean> {
  const { userNid, userId } = erasure
  let changed = 0
  for (const room of await deps.database.read((conn) => listRoomsWrittenIn(conn, userNid)))
    changed += await pruneRoom(deps, signal, erasure, room, (tx, after) =>
      listEventsBySender(tx, userNid, room.room_nid, after, slice),
    )
  const keyNid = await deps.database.read((conn) => findStateKeyNid(conn, { type: 'm.room.member', stateKey: userId }))
  const person = { userNid, keyNid: keyNid ?? 0 }
  for (const room of await deps.database.read((conn) => listRoomsWithEventsAbout(conn, person)))
    changed += await pruneRoom(deps, signal, erasure, room, (tx, after) =>
      listEventsAbout(tx, person, room.room_nid, after, slice),
    )
  changed += await deleteFiles(deps, signal, erasure)
  if (changed > 0) await deps.database.write((tx) => raiseFact(tx, deletedFact, deps.clock.now()))
  return changed > 0
}

async function pruneRoom(
  deps: PrivacyDeps,
  signal: AbortSignal,
  { userNid, mode, mark }: StoredErasure,
  { room_nid: roomNid, room_id: roomId }: { readonly room_nid: number; readonly room_id: string },
  next: (tx: Tx, after: number) => Promise<EventRow[]>,
): Promise<number> {
  let after = 0
  let changed = 0
  for (;;) {
    signal.throwIfAborted()
    const done = await deps.database.write(
      async (tx) => {
        const rows = await next(tx, after)
        if (rows.length === 0) return undefined
        const room = await deps.roomCache.forWrite(tx, roomId as RoomId)
        const holders = mode === 'forget' ? await Holders.of(deps, tx, room, userNid) : undefined
        const verdicts = await pruneStored(tx, deps, room, rows, { userNid, mark, holders, sendsRedactions: false })
        return { last: rows.at(-1)?.event_nid ?? after, pruned: verdicts.get('pruned')?.length ?? 0 }
      },
      { locks: [roomLock(roomNid)] },
    )
    if (done === undefined) return changed
    after = done.last
    changed += done.pruned
  }
}

async function deleteFiles(
  deps: PrivacyDeps,
  signal: AbortSignal,
  { userNid, isLocal }: StoredErasure,
): Promise<number> {
  let changed = 0
  let after = 0
  for (;;) {
    signal.throwIfAborted()
    const found = await deps.database.read(async (conn) =>
      isLocal
        ? listMediaWithHolders(conn, userNid, after, slice)
        : (await listRemoteMediaOfUser(conn, userNid, slice)).map((mediaNid) => ({ mediaNid, isHeld: false })),
    )
    if (found.length === 0) return changed
    after = found.at(-1)?.mediaNid ?? after
    const doomed = found.filter(({ isHeld }) => !isHeld).map(({ mediaNid }) => mediaNid)
    const blobs = await deps.database.write(async (tx) => {
      await deleteLinksOfMedia(tx, doomed)
      return deleteMediaRows(tx, doomed)
    })
    await deleteBlobFiles(deps, blobs)
    changed += doomed.length
  }
}
