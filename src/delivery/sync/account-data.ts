import { pushRulesContent } from '../../accounts/push-rules.ts'
import type { EventFilter } from '../../protocol/filter.ts'
import { matchesEvent, matchesRoom } from '../../protocol/filter-match.ts'
import { globalRoom } from '../../store/account-data.ts'
import type { SyncDataRow } from '../../store/sync.ts'
import { listRoomAccountData, listSyncAccountData } from '../../store/sync.ts'
import { RawJson } from '../../util/raw-json.ts'
import type { SyncContext } from './context.ts'

/** An item of account data as clients get it. */
interface DataEvent {
  readonly type: string
  readonly content: RawJson | object
}

/** A user's account data that a reader does not know: of no room, and by room. */
export interface AccountData {
  readonly global: readonly DataEvent[]
  readonly byRoom: ReadonlyMap<number, readonly SyncDataRow[]>
}

/** Reads it, the push rules included. */
export async function readAccountData(context: SyncContext): Promise<AccountData> {
  const { conn, viewer, since, behind, request, news } = context
  const rows =
    since !== undefined && behind.length === 0
      ? []
      : (news?.dataOf(viewer.userNid) ??
        (await listSyncAccountData(conn, viewer.userNid, since === undefined ? undefined : behind)))
  const filter = request.filter.accountData
  const byRoom = new Map<number, SyncDataRow[]>()
  const global: DataEvent[] = []
  let hasRules = since === undefined
  for (const row of rows) {
    if (row.room_nid !== globalRoom) byRoom.set(row.room_nid, [...(byRoom.get(row.room_nid) ?? []), row])
    else if (row.type === 'm.push_rules') hasRules = true
    else global.push(...shown(filter, [row]))
  }
  if (hasRules && matchesEvent(filter, { type: 'm.push_rules', content: {} }))
    global.push({ type: 'm.push_rules', content: await pushRulesContent(conn, viewer.userNid, viewer.userId) })
  return { global, byRoom }
}

/** The items of one room; all there are where the reader sees the room for the first time. */
export async function roomAccountData(
  context: SyncContext,
  data: AccountData,
  room: { readonly nid: number; readonly id: string },
  isWhole: boolean,
): Promise<readonly DataEvent[]> {
  const filter = context.request.filter.room.accountData
  if (!matchesRoom(filter, room.id)) return []
  const rows =
    isWhole && context.since !== undefined
      ? await listRoomAccountData(context.conn, context.viewer.userNid, room.nid)
      : (data.byRoom.get(room.nid) ?? [])
  return shown(filter, rows)
}

function shown(filter: EventFilter, rows: readonly SyncDataRow[]): DataEvent[] {
  return rows
    .filter(({ type }) => matchesEvent(filter, { type, content: {} }))
    .map(({ type, content }) => ({ type, content: content === null ? {} : new RawJson(content) }))
}
