import type { UserId } from '../../protocol/ids.ts'
import type { Room } from '../../rooms/room.ts'
import type { UserStanding } from '../../rooms/standing.ts'
import type { SyncRoomRow } from '../../store/sync.ts'
import type { Timeline } from './timeline.ts'

/** What of a joined room is to be shown, before the state events themselves were read. */
export interface JoinedRoom {
  readonly row: SyncRoomRow
  readonly room: Room
  readonly isWhole: boolean
  readonly isFull: boolean
  readonly standing: UserStanding
  readonly timeline: Timeline
  readonly showsSummary: boolean
  readonly heroes: readonly UserId[] | undefined
  /** state events, as row ids */
  readonly stateNids: readonly number[]
}
