import { stateKeyText } from '../protocol/auth/state.ts'
import type { StateKey } from '../protocol/auth/state.ts'
import type { UserId } from '../protocol/ids.ts'
import { historyVisibilityOf, maySeeEvent, mayServerSeeEvent } from '../protocol/visibility.ts'
import type { HistoryVisibility, MembershipAtEvent, VisibilityAtEvent } from '../protocol/visibility.ts'
import type { Conn } from '../store/database.ts'
import type { ReadRow } from '../store/read-rows.ts'
import { findMembership, listUsersOfServer } from '../store/memberships.ts'
import type { MembershipRow } from '../store/memberships.ts'
import { listMembershipHistory } from '../store/timeline.ts'
import type { RoomsDeps } from './deps.ts'
import { loadEvents } from './events.ts'
import type { Room } from './room.ts'
import { stateAtGroup, stateGroupMap } from './state.ts'
import type { ServerViewer, UserViewer } from './viewer.ts'

type Deps = Pick<RoomsDeps, 'roomCache'>

/** What a standing needs of a user's membership in a room. */
type KnownMembership = Pick<MembershipRow, 'membership' | 'event_nid' | 'forgotten' | 'ord'>

const visibilityKey: StateKey = { type: 'm.room.history_visibility', stateKey: '' }

/** How a user stands to one room: what they may see of it, event by event. Asks each state group once. */
export class UserStanding {
  readonly #deps: Deps
  readonly #conn: Conn
  readonly #room: Room
  readonly #viewer: UserViewer
  readonly row: KnownMembership | undefined
  /** The user was joined at some point up to here; events before it were followed by a join. */
  readonly #joinedUntil: number
  readonly #groups = new Map<number, { visibility: HistoryVisibility; membership: string }>()
  /** of messages, by the state before them */
  readonly #judged = new Map<number, boolean>()

  private constructor(
    deps: Deps,
    conn: Conn,
    room: Room,
    viewer: UserViewer,
    row: KnownMembership | undefined,
    joinedUntil: number,
  ) {
    this.#deps = deps
    this.#conn = conn
    this.#room = room
    this.#viewer = viewer
    this.row = row
    this.#joinedUntil = joinedUntil
  }

  static async of(deps: Deps, conn: Conn, room: Room, viewer: UserViewer): Promise<UserStanding> {
    return UserStanding.ofMembership(deps, conn, room, viewer, await findMembership(conn, viewer.userNid, room.nid))
  }

  /** As `of`, where the caller has read the user's membership, on the same connection. */
  static async ofMembership(
    deps: Deps,
    conn: Conn,
    room: Room,
    viewer: UserViewer,
    row: KnownMembership | undefined,
  ): Promise<UserStanding> {
    const until =
      row === undefined
        ? -Infinity
        : row.membership === 'join'
          ? Infinity
          : await lastJoined(deps, conn, room, viewer, row.ord)
    return new UserStanding(deps, conn, room, viewer, row, until)
  }

  get membership(): string {
    return this.row?.membership ?? 'leave'
  }

  /** Was the user ever joined? */
  get wasJoined(): boolean {
    return this.#joinedUntil > -Infinity
  }

  /** Setting and membership in a state group. */
  async at(group: number): Promise<{ visibility: HistoryVisibility; membership: string }> {
    const known = this.#groups.get(group)
    if (known !== undefined) return known
    const member: StateKey = { type: 'm.room.member', stateKey: this.#viewer.userId }
    const state = await stateAtGroup(this.#deps, this.#conn, this.#room, group, [visibilityKey, member])
    const membership = state.get(stateKeyText(member.type, member.stateKey))?.content['membership']
    const found = {
      visibility: historyVisibilityOf(state.get(stateKeyText(visibilityKey.type, ''))),
      membership: typeof membership === 'string' ? membership : 'leave',
    }
    this.#groups.set(group, found)
    return found
  }

  /** May the user see this event of the timeline? (client-server API, "Room History Visibility") */
  async maySee(row: ReadRow): Promise<boolean> {
    if (row.state_before === null || row.rejected !== null || row.soft_failed) return false
    const before = await this.at(row.state_before)
    const isSetting = row.type === visibilityKey.type && row.state_key_nid !== null
    const isMember = row.type === 'm.room.member' && row.state_key_nid !== null
    const after = (isSetting || isMember) && row.state_after !== null ? await this.at(row.state_after) : before
    const visibility: VisibilityAtEvent = isSetting
      ? { before: before.visibility, after: after.visibility }
      : { before: before.visibility }
    const joinedLater = row.ord !== null && row.ord < this.#joinedUntil
    const user: MembershipAtEvent =
      isMember && after.membership !== before.membership
        ? { before: before.membership, after: after.membership, joinedLater }
        : { before: before.membership, joinedLater }
    const maySee = maySeeEvent(visibility, user)
    if (this.#isLikeOthers(row)) this.#judged.set(row.state_before, maySee)
    return maySee
  }

  /** As `maySee`, where it is known of a message from the one before it: between two changes of the state all are judged alike. */
  isSeenLikeOthers(row: ReadRow): boolean | undefined {
    return this.#isLikeOthers(row) ? this.#judged.get(row.state_before as number) : undefined
  }

  #isLikeOthers({ state_before: group, ord, state_key_nid: keyNid, rejected, soft_failed: isSoftFailed }: ReadRow) {
    return (
      this.#joinedUntil === Infinity &&
      group !== null &&
      ord !== null &&
      keyNid === null &&
      rejected === null &&
      !isSoftFailed
    )
  }

  /** Those of the events that the user may see, in their order. */
  async visibleAmong<R extends ReadRow>(rows: readonly R[]): Promise<R[]> {
    const visible: R[] = []
    for (const row of rows) if (this.isSeenLikeOthers(row) ?? (await this.maySee(row))) visible.push(row)
    return visible
  }

  /** Did the user hold the event from the start: joined in the state before it, and has not forgotten the room? (P1) */
  async isHolder(row: ReadRow): Promise<boolean> {
    if (row.state_before === null || this.row === undefined || this.row.forgotten || this.#viewer.isAlwaysNew === true)
      return false
    return (await this.at(row.state_before)).membership === 'join'
  }

  /** The user's membership right after the events, for `unsigned.membership`, by state group. */
  async membershipsAfter(rows: readonly ReadRow[]): Promise<ReadonlyMap<number, string>> {
    const found = new Map<number, string>()
    for (const { state_after: group } of rows)
      if (group !== null && !found.has(group)) found.set(group, (await this.at(group)).membership)
    return found
  }
}

/**
 * The `ord` of the event that ended the user's last stay; −Infinity where there was none. `leftOrd`: the place of the
 * user's present membership, null for one that is outside the timeline.
 */
async function lastJoined(
  deps: Deps,
  conn: Conn,
  room: Room,
  { userId }: UserViewer,
  leftOrd: number | null,
): Promise<number> {
  const keyNid = await deps.roomCache.stateKeyNid(conn, { type: 'm.room.member', stateKey: userId })
  if (keyNid === undefined) return -Infinity
  let endedAt = leftOrd
  for (const row of await listMembershipHistory(conn, room.nid, keyNid)) {
    const { content } = JSON.parse(row.json) as { content: { membership?: unknown } }
    // where the leave has no place nobody can say what came after it: the stay is known up to the join
    if (content.membership === 'join') return endedAt ?? row.ord
    endedAt = row.ord
  }
  return -Infinity
}

/** How another server stands to one room. Asks each state group once. */
export class ServerStanding {
  readonly #deps: Deps
  readonly #conn: Conn
  readonly #room: Room
  readonly #viewer: ServerViewer
  readonly #hasJoined: boolean
  #users: readonly UserId[] | undefined
  readonly #groups = new Map<number, { visibility: HistoryVisibility; users: readonly MembershipAtEvent[] }>()

  private constructor(deps: Deps, conn: Conn, room: Room, viewer: ServerViewer, hasJoined: boolean) {
    this.#deps = deps
    this.#conn = conn
    this.#room = room
    this.#viewer = viewer
    this.#hasJoined = hasJoined
  }

  static async of(deps: Deps, conn: Conn, room: Room, viewer: ServerViewer): Promise<ServerStanding> {
    return new ServerStanding(deps, conn, room, viewer, room.hosts.includes(viewer.serverNid))
  }

  /** Has the server a joined user now? */
  get isInRoom(): boolean {
    return this.#hasJoined
  }

  async #at(group: number) {
    const known = this.#groups.get(group)
    if (known !== undefined) return known
    const state = await stateAtGroup(this.#deps, this.#conn, this.#room, group, [visibilityKey])
    const visibility = historyVisibilityOf(state.get(stateKeyText(visibilityKey.type, '')))
    // Only these two settings depend on who was there; for the others the server's being in the room now decides.
    const users =
      visibility === 'invited' || visibility === 'joined'
        ? await this.#usersAt(group)
        : [{ before: 'leave', joinedLater: this.#hasJoined }]
    const found = { visibility, users }
    this.#groups.set(group, found)
    return found
  }

  async #usersAt(group: number): Promise<MembershipAtEvent[]> {
    const present = (this.#users ??= await listUsersOfServer(this.#conn, this.#room.nid, this.#viewer.serverNid))
    const map = await stateGroupMap(this.#deps, this.#conn, group)
    const nids: number[] = []
    for (const stateKey of present) {
      const keyNid = await this.#deps.roomCache.stateKeyNid(this.#conn, { type: 'm.room.member', stateKey })
      const eventNid = keyNid === undefined ? undefined : map.get(keyNid)
      if (eventNid !== undefined) nids.push(eventNid)
    }
    const events = await loadEvents(this.#deps, this.#conn, this.#room, nids)
    return [...events.values()].map(({ content }) => ({
      before: typeof content['membership'] === 'string' ? content['membership'] : 'leave',
      joinedLater: this.#hasJoined,
    }))
  }

  /** May the server see this event? Outliers only as far as any server in the room may. */
  async maySee(row: ReadRow): Promise<boolean> {
    if (row.state_before === null) return this.#hasJoined
    const before = await this.#at(row.state_before)
    const isSetting = row.type === visibilityKey.type && row.state_key_nid !== null && row.state_after !== null
    const after = isSetting ? await this.#at(row.state_after ?? 0) : undefined
    const visibility: VisibilityAtEvent =
      after === undefined ? { before: before.visibility } : { before: before.visibility, after: after.visibility }
    return mayServerSeeEvent(visibility, [...before.users, ...(after?.users ?? [])])
  }
}
