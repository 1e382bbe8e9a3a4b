import { isJsonObject, memberOf } from '../protocol/json.ts'
import type { Json } from '../protocol/json-types.ts'
import type { EventId } from '../protocol/ids.ts'
import type { Conn } from '../store/database.ts'
import { listReadRows } from '../store/read-rows.ts'
import type { ReadRow } from '../store/read-rows.ts'
import { listEdits, listReferring, listRelationKinds, listThreads } from '../store/relation-views.ts'
import { isIgnored } from './ignored.ts'
import type { ReadOptions, RenderedEvent } from './read-options.ts'
import type { UserViewer } from './viewer.ts'

/** Renders children for the same reader; what the reader may not see is left out. `isWhole`: with bundles of their own. */
export type RenderChildren = (rows: readonly ReadRow[], isWhole: boolean) => Promise<readonly RenderedEvent[]>

/**
 * Bundled aggregations (client-server API, "Aggregations of child events") of messages that are whole for the reader, by
 * event id, as text to put into `unsigned`: the newest edit, a summary of the thread, references. One statement where
 * nothing relates to any of them, else one more for each kind.
 */
export async function listBundles(
  conn: Conn,
  viewer: UserViewer,
  parents: readonly ReadRow[],
  { ignored, onlyEdits = false, shared }: Pick<ReadOptions, 'ignored' | 'onlyEdits' | 'shared'>,
  render: RenderChildren,
): Promise<Map<string, string>> {
  if (parents.length === 0) return new Map()
  const ids = parents.map((row) => row.event_id as EventId)
  const read = () => listRelationKinds(conn, ids)
  const kinds = await (shared === undefined ? read() : shared.relationKinds.of(ids.join(' '), read))
  if (kinds.length === 0) return new Map()
  const of = (relType: string) =>
    (onlyEdits && relType !== 'm.replace' ? [] : kinds)
      .filter(({ rel_type }) => rel_type === relType)
      .map(({ parent }) => parent)
  const parts = new Map<string, string[]>()
  const add = (parent: string, part: string) => parts.set(parent, [...(parts.get(parent) ?? []), part])
  await addEdits(conn, of('m.replace'), ignored, render, add)
  await addThreads(conn, viewer, parents, of('m.thread'), ignored, render, add)
  await addReferences(conn, of('m.reference'), ignored, render, add)
  return new Map([...parts].map(([parent, list]) => [parent, `,"m.relations":{${list.join(',')}}`]))
}

type Add = (parent: string, part: string) => void

/** The newest valid replacement (event_replacements, "Server-side aggregation"). */
async function addEdits(
  conn: Conn,
  parents: readonly EventId[],
  ignored: ReadonlySet<number> | undefined,
  render: RenderChildren,
  add: Add,
): Promise<void> {
  if (parents.length === 0) return
  const edits = await listEdits(conn, parents)
  const rows = new Map(
    (
      await listReadRows(
        conn,
        edits.map(({ event_nid }) => event_nid),
      )
    ).map((row) => [row.event_nid, row]),
  )
  const usable = [...rows.values()].filter((row) => !isIgnored(ignored, row) && isReplacement(row))
  const shown = new Map(
    (await render(usable, false)).filter(({ isPruned }) => !isPruned).map(({ row, text }) => [row.event_nid, text]),
  )
  const done = new Set<string>()
  for (const { parent, event_nid: nid } of edits) {
    const text = shown.get(nid)
    if (text === undefined || done.has(parent)) continue
    done.add(parent)
    add(parent, `"m.replace":${text}`)
  }
}

/** Of an encrypted one the new content is out of sight. */
function isReplacement(row: ReadRow): boolean {
  if (row.type === 'm.room.encrypted') return true
  const { content } = JSON.parse(row.json) as { content?: Json }
  return isJsonObject(content) && isJsonObject(memberOf(content, 'm.new_content'))
}

/** How many, the newest, and whether the reader took part ("Server-side aggregation of `m.thread` relationships"). */
async function addThreads(
  conn: Conn,
  viewer: UserViewer,
  roots: readonly ReadRow[],
  parents: readonly EventId[],
  ignored: ReadonlySet<number> | undefined,
  render: RenderChildren,
  add: Add,
): Promise<void> {
  if (parents.length === 0) return
  const threads = await listThreads(conn, parents, viewer.userNid, [...(ignored ?? [])])
  const latest = await render(
    await listReadRows(
      conn,
      threads.map(({ event_nid }) => event_nid),
    ),
    true,
  )
  const texts = new Map(latest.map(({ row, text }) => [row.event_nid, text]))
  const own = new Set(roots.filter((row) => row.sender_nid === viewer.userNid).map((row) => row.event_id))
  for (const { parent, event_nid: nid, count, participated } of threads) {
    const text = texts.get(nid)
    if (text === undefined) continue
    add(
      parent,
      `"m.thread":{"count":${count},"current_user_participated":${participated || own.has(parent)},"latest_event":${text}}`,
    )
  }
}

async function addReferences(
  conn: Conn,
  parents: readonly EventId[],
  ignored: ReadonlySet<number> | undefined,
  render: RenderChildren,
  add: Add,
): Promise<void> {
  if (parents.length === 0) return
  const referring = await listReferring(conn, parents, [...(ignored ?? [])])
  const shown = await render(
    await listReadRows(
      conn,
      referring.map(({ event_nid }) => event_nid),
    ),
    false,
  )
  const ids = new Map(shown.map(({ row }) => [row.event_nid, row.event_id]))
  const chunks = new Map<string, { event_id: string }[]>()
  for (const { parent, event_nid: nid } of referring) {
    const id = ids.get(nid)
    if (id !== undefined) chunks.set(parent, [...(chunks.get(parent) ?? []), { event_id: id }])
  }
  for (const [parent, chunk] of chunks) add(parent, `"m.reference":${JSON.stringify({ chunk })}`)
}
