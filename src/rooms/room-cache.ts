import type { StateKey } from '../protocol/auth/state.ts'
import { stateKeyText } from '../protocol/auth/state.ts'
import { MatrixError } from '../protocol/errors.ts'
import type { RoomEvent } from '../protocol/event.ts'
import type { RoomId, ServerName, UserId } from '../protocol/ids.ts'
import { findRoomVersion } from '../protocol/room-version.ts'
import type { Conn, Tx } from '../store/database.ts'
import { Stale } from '../store/errors.ts'
import { listForwardExtremities } from '../store/extremities.ts'
import { listRedactedSince } from '../store/redactions.ts'
import { listRoomHosts } from '../store/room-hosts.ts'
import type { RoomRow } from '../store/rooms.ts'
import { findRoomById, findRoomRevisionOf } from '../store/rooms.ts'
import { putServer } from '../store/servers.ts'
import { findStateKeyNid, putStateKey } from '../store/state-keys.ts'
import { findNotifyOrdAt } from '../store/unread.ts'
import { findUserNid, putUser } from '../store/users.ts'
import { KeyedMutex } from '../util/mutex.ts'
import { Caches, isTx, remember } from './caches.ts'
import { loadEvents } from './events.ts'
import { eventAt, loadChain } from './layers.ts'
import type { Room } from './room.ts'
import { StateMemo } from './state-memo.ts'
import { lru } from '../util/lru.ts'

/**
 * Rooms in memory, each an immutable snapshot of one revision. A write works on an overlay: what it made is seen by the
 * writes after it in the same batch, and by readers only once it is committed. One for each database.
 */
export class RoomCache {
  readonly caches = new Caches()
  /** At most one gap of a room is filled at a time. */
  readonly gaps = new KeyedMutex<RoomId>()
  /** PDUs of one server about one room are judged in the order in which they came. */
  readonly queues = new KeyedMutex<string>()
  readonly #serverName: ServerName
  readonly #rooms = lru<RoomId, Room>(5_000)
  /** SQLite: one writer, so one overlay; a revision that the database does not have is never used. */
  readonly #pending = new Map<RoomId, Room>()
  /** PostgreSQL: each transaction its own, because revisions of other processes look the same. */
  readonly #pendingOf = new WeakMap<Tx, Map<RoomId, Room>>()

  /** `serverName` is ours: it is not among the `hosts` of a room. */
  constructor(serverName: ServerName) {
    this.#serverName = serverName
  }

  /** A room as committed, undefined where this server does not know it. */
  async find(conn: Conn, roomId: RoomId): Promise<Room | undefined> {
    if (isTx(conn)) return this.#findForWrite(conn, roomId, undefined)
    const known = this.#rooms.get(roomId)
    if (
      known !== undefined &&
      (conn.engine === 'sqlite' || (await findRoomRevisionOf(conn, known.nid)) === known.revision)
    )
      return known
    const room = await this.#load(conn, roomId)
    if (known !== undefined) await this.#dropRedacted(conn, known)
    if (room !== undefined) this.#keep(room)
    return room
  }

  /** Another process wrote: what it redacted is not to be had from memory any more. */
  async #dropRedacted(conn: Conn, known: Room): Promise<void> {
    const since = Math.max(0, ...known.extremities.map(({ eventNid }) => eventNid))
    for (const nid of await listRedactedSince(conn, known.nid, since)) this.caches.forgetEvent(nid)
  }

  /** As `find`; throws `M_NOT_FOUND` for a room that this server does not know. */
  async get(conn: Conn, roomId: RoomId): Promise<Room> {
    const room = await this.find(conn, roomId)
    if (room === undefined) throw noSuchRoom()
    return room
  }

  /**
   * The room as this write sees it; `revision` is the room's, where this write has read it. Throws `M_NOT_FOUND` for a
   * room that this server does not know.
   */
  async forWrite(tx: Tx, roomId: RoomId, revision?: number): Promise<Room> {
    const room = await this.#findForWrite(tx, roomId, revision)
    if (room === undefined) throw noSuchRoom()
    return room
  }

  async #findForWrite(tx: Tx, roomId: RoomId, known: number | undefined): Promise<Room | undefined> {
    const candidates = [this.#overlay(tx).get(roomId), this.#rooms.get(roomId)]
    const nid = (candidates[0] ?? candidates[1])?.nid
    if (nid !== undefined) {
      const revision = known ?? (await findRoomRevisionOf(tx, nid))
      const room = candidates.find((candidate) => candidate !== undefined && candidate.revision === revision)
      if (room !== undefined) return room
    }
    const room = await this.#load(tx, roomId)
    const before = tx.engine === 'postgres' ? this.#rooms.get(roomId) : undefined
    if (before !== undefined) await this.#dropRedacted(tx, before)
    if (room !== undefined) this.put(tx, room)
    return room
  }

  /** The last step of a write: what it made of the room. */
  put(tx: Tx, room: Room): void {
    const overlay = this.#overlay(tx)
    overlay.set(room.id, room)
    tx.onCommit(() => {
      if (overlay.get(room.id) === room) overlay.delete(room.id)
      this.#keep(room)
    })
  }

  /** Forgets a room, so that it is loaded again. */
  drop(roomId: RoomId): void {
    this.#rooms.delete(roomId)
    this.#pending.delete(roomId)
  }

  /** Forgets everything, for instance when another process declared it void. */
  clear(): void {
    this.#rooms.clear()
    this.#pending.clear()
    this.caches.forgetEvents()
  }

  #overlay(tx: Tx): Map<RoomId, Room> {
    if (tx.engine === 'sqlite') return this.#pending
    let overlay = this.#pendingOf.get(tx)
    if (overlay === undefined) this.#pendingOf.set(tx, (overlay = new Map()))
    return overlay
  }

  #keep(room: Room): void {
    const known = this.#rooms.get(room.id)
    if (known === undefined || known.revision <= room.revision) this.#rooms.set(room.id, room)
  }

  async #load(conn: Conn, roomId: RoomId): Promise<Room | undefined> {
    // outside a write the statements do not see one moment: a room that moved meanwhile is read again
    for (let left = 20; left > 0; left--) {
      const row = await findRoomById(conn, roomId)
      if (row === undefined) return undefined
      const room = await this.#assemble(conn, row)
      if (isTx(conn) || (await findRoomRevisionOf(conn, row.room_nid)) === row.revision) return room
    }
    throw new Stale('the room moved all the time')
  }

  async #assemble(conn: Conn, row: RoomRow): Promise<Room> {
    const version = findRoomVersion(row.version)
    if (version === undefined) throw new Error(`a stored room has the unknown version ${row.version}`)
    const hosts = await listRoomHosts(conn, row.room_nid)
    const currentGroup = row.current_group ?? 0
    return {
      nid: row.room_nid,
      id: row.room_id as RoomId,
      version,
      revision: row.revision,
      extremities: await listForwardExtremities(conn, row.room_nid),
      currentGroup,
      chain: await loadChain(this.caches, conn, currentGroup),
      nextOrd: row.next_ord,
      nextBackOrd: row.next_back_ord,
      lastLocalNid: row.last_local_nid,
      notifying: await findNotifyOrdAt(conn, row.room_nid, row.next_ord),
      partialState: row.partial_state,
      hosts: hosts.filter(({ joined, name }) => joined && name !== this.#serverName).map(({ serverNid }) => serverNid),
      memo: new StateMemo(),
    }
  }

  /** An event of the room's current state, undefined where the place is empty. */
  async stateEvent(conn: Conn, room: Room, type: string, stateKey: string): Promise<RoomEvent | undefined> {
    if (room.memo.has(type, stateKey)) return room.memo.get(type, stateKey)
    return (await this.stateEvents(conn, room, [{ type, stateKey }]))[0]
  }

  /** Events of the room's current state at these places, in their order; undefined for empty places. */
  async stateEvents(conn: Conn, room: Room, keys: readonly StateKey[]): Promise<(RoomEvent | undefined)[]> {
    const found = new Map<string, RoomEvent | undefined>()
    const wanted = new Map<number, StateKey>()
    for (const key of keys) {
      const text = stateKeyText(key.type, key.stateKey)
      if (room.memo.has(key.type, key.stateKey)) found.set(text, room.memo.get(key.type, key.stateKey))
      else {
        const keyNid = await this.stateKeyNid(conn, key)
        const eventNid = keyNid === undefined ? undefined : eventAt(room.chain, keyNid)
        if (eventNid === undefined) {
          room.memo.put(key.type, key.stateKey, undefined)
          found.set(text, undefined)
        } else wanted.set(eventNid, key)
      }
    }
    if (wanted.size > 0) {
      const events = await loadEvents({ roomCache: this }, conn, room, wanted.keys())
      for (const [eventNid, { type, stateKey }] of wanted) {
        const event = events.get(eventNid)
        if (event === undefined) throw new Error(`event ${eventNid} of the current state is missing`)
        room.memo.put(type, stateKey, event)
        found.set(stateKeyText(type, stateKey), event)
      }
    }
    return keys.map(({ type, stateKey }) => found.get(stateKeyText(type, stateKey)))
  }

  /** The row id of a place in the state, undefined for one that was never stored. */
  async stateKeyNid(conn: Conn, key: StateKey): Promise<number | undefined> {
    const text = stateKeyText(key.type, key.stateKey)
    const known = this.caches.stateKeys.get(text)
    if (known !== undefined) return known
    const nid = await findStateKeyNid(conn, key)
    if (nid !== undefined) remember(conn, () => this.caches.stateKeys.set(text, nid))
    return nid
  }

  /** The row id of a place in the state, made when it has none. */
  async putStateKey(tx: Tx, key: StateKey): Promise<number> {
    const known = this.caches.stateKeys.get(stateKeyText(key.type, key.stateKey))
    if (known !== undefined) return known
    const nid = await putStateKey(tx, key)
    remember(tx, () => this.caches.stateKeys.set(stateKeyText(key.type, key.stateKey), nid))
    return nid
  }

  /** The row id of a user, undefined where no row names them. */
  async userNid(conn: Conn, userId: UserId): Promise<number | undefined> {
    const known = this.caches.users.get(userId)
    if (known !== undefined) return known
    const nid = await findUserNid(conn, userId)
    if (nid !== undefined) remember(conn, () => this.caches.users.set(userId, nid))
    return nid
  }

  /** The row id of a user, made when they have none. */
  async putUser(tx: Tx, userId: UserId): Promise<number> {
    const known = this.caches.users.get(userId)
    if (known !== undefined) return known
    const nid = await putUser(tx, userId)
    remember(tx, () => this.caches.users.set(userId, nid))
    return nid
  }

  /** The row id of a server, made when it has none. */
  async putServer(tx: Tx, name: ServerName): Promise<number> {
    const known = this.caches.servers.get(name)
    if (known !== undefined) return known
    const nid = await putServer(tx, name)
    remember(tx, () => this.caches.servers.set(name, nid))
    return nid
  }
}

function noSuchRoom(): MatrixError {
  return new MatrixError('M_NOT_FOUND', 'Room not found')
}
