import type { Conn } from '../store/database.ts'
import { findEpoch } from '../store/epochs.ts'
import { listErasedUsers } from '../store/erased-users.ts'
import type { ErasureMark } from './prune-rule.ts'

/** What reading needs to know of an erased user. */
export interface Erased extends ErasureMark {
  readonly mode: 'redact' | 'forget'
}

/**
 * Who is erased, in memory: every read of events asks it. Changed on commit in this process; what another process
 * commits is noticed by the epoch `erasures`, which `refresh` compares before anything is read.
 */
export class ErasedUsers {
  readonly #byNid = new Map<number, Erased>()
  readonly #onMoved: () => void
  #epoch = -1
  #version = 0

  /** `onMoved` is called when another process erased somebody: what was made of events before is void. */
  constructor(onMoved: () => void = () => undefined) {
    this.#onMoved = onMoved
  }

  /** Reads everything; once at start. */
  async load(conn: Conn): Promise<void> {
    const before = new Map(this.#byNid)
    const epoch = await findEpoch(conn, 'erasures')
    const rows = await listErasedUsers(conn)
    // A snapshot from before an erasure may ask last; what is known since stays known.
    if (epoch < this.#epoch) return
    this.#version++
    // Who was erased here meanwhile may be missing in these rows.
    const since = [...this.#byNid].filter(([userNid, erased]) => before.get(userNid) !== erased)
    this.#byNid.clear()
    for (const row of rows) {
      this.#byNid.set(row.user_nid, {
        erasedTs: row.erased_ts,
        mode: row.erasure_mode === 'forget' ? 'forget' : 'redact',
        returnedTs: row.returned_ts ?? undefined,
      })
    }
    for (const [userNid, erased] of since) this.#byNid.set(userNid, erased)
    this.#epoch = epoch
  }

  /** Reads again where another process changed something. On SQLite there is no other process. */
  async refresh(conn: Conn): Promise<void> {
    if (conn.engine !== 'postgres' || (await findEpoch(conn, 'erasures')) <= this.#epoch) return
    await this.load(conn)
    this.#onMoved()
  }

  /** Moves with every change: what was made of events at another one may show what is erased. */
  get version(): number {
    return this.#version
  }

  get isEmpty(): boolean {
    return this.#byNid.size === 0
  }

  /** The erasure of a user, by row id. */
  of(userNid: number): Erased | undefined {
    return this.#byNid.get(userNid)
  }

  /** A user was erased. */
  add(userNid: number, erased: Erased): void {
    this.#version++
    this.#byNid.set(userNid, erased)
  }

  /** An erased user of another server is active again from `ts` on. */
  returned(userNid: number, ts: number): void {
    const known = this.#byNid.get(userNid)
    if (known === undefined) return
    this.#version++
    this.#byNid.set(userNid, { ...known, returnedTs: ts })
  }

  /** An erasure was cancelled. */
  remove(userNid: number): void {
    this.#version++
    this.#byNid.delete(userNid)
  }
}
