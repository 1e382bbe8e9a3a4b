import type { UserId } from '../../protocol/ids.ts'
import type { SyncRoomRow } from '../../store/sync.ts'

const mostHeroes = 5

/** The users whose names make the name of a room that has none: the first 5 members but the reader. Undefined for one that has. */
export function heroesOf(row: SyncRoomRow, reader: UserId): UserId[] | undefined {
  if (row.name !== null || row.canonical_alias !== null) return undefined
  return (JSON.parse(row.heroes ?? '[]') as UserId[]).filter((userId) => userId !== reader).slice(0, mostHeroes)
}

/** `summary` of a joined room (client-server API, "GET /sync", `RoomSummary`). */
export function summaryOf(row: SyncRoomRow, heroes: readonly UserId[] | undefined): object {
  return {
    ...(heroes === undefined ? {} : { 'm.heroes': heroes }),
    'm.joined_member_count': row.joined_count,
    'm.invited_member_count': row.invited_count,
  }
}
