import type { Conn } from '../store/database.ts'
import { listEvents } from '../store/events.ts'
import type { EventRow } from '../store/events.ts'
import { listLatestEdits, listReferences, summariseRelations } from '../store/timeline.ts'
import { formOf } from './event-form.ts'
import { fragment } from './fragment.ts'
import type { ReadDeps } from './read-options.ts'
import type { Room } from './room.ts'
import type { UserStanding } from './standing.ts'
import type { UserViewer } from './viewer.ts'

/**
 * Bundled aggregations (client-server API, "Aggregations of child events") of events, by event id, as text to put into
 * `unsigned`: the newest edit, a summary of the thread, references. Three statements for all events together.
 */
export async function listBundles(
  deps: ReadDeps,
  conn: Conn,
  viewer: UserViewer,
  room: Room,
  rows: readonly EventRow[],
  standing: UserStanding,
): Promise<Map<string, string>> {
  const parents = rows.filter((row) => row.state_key_nid === null && row.redacted_by === null).map((row) => row.event_id)
  const edits = await listLatestEdits(conn, room.nid, parents)
  const summaries = await summariseRelations(conn, room.nid, parents, viewer.userNid)
  if (edits.size === 0 && summaries.length === 0) return new Map()
  const newest = [...edits.values(), ...summaries.filter(({ rel_type }) => rel_type === 'm.thread').map(({ latest }) => latest)]
  const texts = new Map<number, string>()
  for (const row of await listEvents(conn, [...new Set(newest)])) {
    if (!(await standing.maySee(row))) continue
    const form = await formOf(deps, conn, room, row, () => standing.isHolder(row))
    if (form.isPruned) continue
    const age = Math.max(0, deps.clock.now() - row.origin_server_ts)
    texts.set(row.event_nid, `${fragment(room, row, form, { roomId: true })},"unsigned":{"age":${age}}}`)
  }
  const parts = new Map<string, string[]>()
  const add = (parent: string, part: string) => parts.set(parent, [...(parts.get(parent) ?? []), part])
  for (const [parent, nid] of edits) {
    const text = texts.get(nid)
    if (text !== undefined) add(parent, `"m.replace":${text}`)
  }
  const referenced: string[] = []
  for (const { parent, rel_type, n, latest, mine } of summaries) {
    if (rel_type === 'm.reference') referenced.push(parent)
    else {
      const text = texts.get(latest)
      const participated = mine > 0 || rows.some((row) => row.event_id === parent && row.sender_nid === viewer.userNid)
      if (text !== undefined) add(parent, `"m.thread":{"count":${n},"current_user_participated":${participated},"latest_event":${text}}`)
    }
  }
  if (referenced.length > 0) {
    const chunks = new Map<string, { event_id: string }[]>()
    for (const { parent, event_id } of await listReferences(conn, room.nid, referenced))
      chunks.set(parent, [...(chunks.get(parent) ?? []), { event_id }])
    for (const [parent, chunk] of chunks) add(parent, `"m.reference":${JSON.stringify({ chunk })}`)
  }
  return new Map([...parts].map(([parent, list]) => [parent, `,"m.relations":{${list.join(',')}}`]))
}
