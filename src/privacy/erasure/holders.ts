import { memberOf } from '../../protocol/json.ts'
import type { UserId } from '../../protocol/ids.ts'
import type { Room } from '../../rooms/room.ts'
import { stateAtGroup } from '../../rooms/state.ts'
import type { Conn } from '../../store/database.ts'
import type { EventRow } from '../../store/events.ts'
import { listPossibleHolders } from '../../store/holders.ts'
import type { PrivacyDeps } from '../deps.ts'

/**
 * Who holds events of an erased person in a room (ERASURE.md, P1): active local users, joined in the state before the
 * event, who have neither forgotten the room nor been deactivated or erased.
 */
export class Holders {
  readonly #deps: Pick<PrivacyDeps, 'roomCache'>
  readonly #room: Room
  readonly #candidates: readonly UserId[]
  readonly #known = new Map<number, boolean>()

  private constructor(deps: Pick<PrivacyDeps, 'roomCache'>, room: Room, candidates: readonly UserId[]) {
    this.#deps = deps
    this.#room = room
    this.#candidates = candidates
  }

  /** Those who may hold something in this room; whether they do is asked for each event. */
  static async of(deps: Pick<PrivacyDeps, 'roomCache'>, conn: Conn, room: Room, erasedNid: number): Promise<Holders> {
    return new Holders(deps, room, await listPossibleHolders(conn, room.nid, erasedNid))
  }

  /** Whether anybody holds this event. */
  async hold(
    conn: Conn,
    row: Pick<EventRow, 'state_before' | 'outlier' | 'rejected' | 'soft_failed'>,
  ): Promise<boolean> {
    const { state_before: group } = row
    if (this.#candidates.length === 0 || group === null || row.outlier || row.rejected !== null || row.soft_failed)
      return false
    const known = this.#known.get(group)
    if (known !== undefined) return known
    const keys = this.#candidates.map((userId) => ({ type: 'm.room.member', stateKey: userId }))
    const members = await stateAtGroup(this.#deps, conn, this.#room, group, keys)
    const isHeld = [...members.values()].some(({ content }) => memberOf(content, 'membership') === 'join')
    this.#known.set(group, isHeld)
    return isHeld
  }
}
