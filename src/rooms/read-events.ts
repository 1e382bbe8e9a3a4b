import type { JsonObject } from '../protocol/json-types.ts'
import { pickProperties } from '../protocol/property-path.ts'
import type { Conn } from '../store/database.ts'
import { listReadRows } from '../store/read-rows.ts'
import type { ReadRow } from '../store/read-rows.ts'
import { listUnappliedRedactions } from '../store/redactions.ts'
import { listOwnTransactions } from '../store/timeline.ts'
import { listBundles } from './bundles.ts'
import type { RoomsDeps } from './deps.ts'
import { asStored, formOf, inForm } from './event-form.ts'
import type { EventForm } from './event-form.ts'
import { eventOfRow } from './events.ts'
import { fragment } from './fragment.ts'
import { eventAt, loadChain } from './layers.ts'
import type { ReadDeps, ReadOptions, RenderedEvent } from './read-options.ts'
import type { Room } from './room.ts'
import { UserStanding } from './standing.ts'
import type { UserViewer } from './viewer.ts'

export type { RenderedEvent } from './read-options.ts'

/**
 * Events of one room for one local user, in the order of `rows`; what the user may not see is left out (client-server
 * API, "Room History Visibility"), what an erased person wrote is pruned.
 */
export async function readEvents(
  deps: ReadDeps,
  conn: Conn,
  viewer: UserViewer,
  room: Room,
  rows: readonly ReadRow[],
  options: ReadOptions = {},
): Promise<RenderedEvent[]> {
  if (rows.length === 0) return []
  const standing = options.standing ?? (await UserStanding.of(deps, conn, room, viewer))
  const visible = options.withoutVisibility === true ? rows : await standing.visibleAmong(rows)
  const shown = await withoutUnapplied(conn, room, visible)
  return render(deps, conn, viewer, room, shown, standing, options)
}

/**
 * From room version 3 clients get a redaction once it is applied (rooms/v3, "Handling redactions"). NOTSPEC: one that came
 * before its target is not sent once more in `/sync`; the target says by itself what redacted it.
 */
async function withoutUnapplied(conn: Conn, room: Room, rows: readonly ReadRow[]): Promise<readonly ReadRow[]> {
  if (room.version.redactionAuthRule) return rows
  const redactions = rows.filter(({ type }) => type === 'm.room.redaction')
  if (redactions.length === 0) return rows
  const unapplied = await listUnappliedRedactions(
    conn,
    redactions.map((row) => row.event_nid),
  )
  return unapplied.size === 0 ? rows : rows.filter((row) => !unapplied.has(row.event_nid))
}

/** Events of a state that the user may see as a whole, whatever the history visibility was when each was sent. */
export async function readState(
  deps: ReadDeps,
  conn: Conn,
  viewer: UserViewer,
  room: Room,
  eventNids: readonly number[],
  options: ReadOptions = {},
): Promise<RenderedEvent[]> {
  if (eventNids.length === 0) return []
  const rows = await listReadRows(conn, eventNids)
  return readEvents(deps, conn, viewer, room, rows, {
    ...options,
    withoutVisibility: true,
    withoutBundles: true,
    withoutHistory: true,
  })
}

async function render(
  deps: ReadDeps,
  conn: Conn,
  viewer: UserViewer,
  room: Room,
  rows: readonly ReadRow[],
  standing: UserStanding,
  options: ReadOptions,
): Promise<RenderedEvent[]> {
  const forms = deps.erased.isEmpty ? undefined : await formsOf(deps, conn, room, rows, standing)
  const transactions = await transactionsOf(conn, viewer, rows)
  const because = await redactionsOf(deps, conn, room, rows, standing, options)
  const bundles =
    options.withoutBundles === true
      ? undefined
      : await bundlesOf(deps, conn, viewer, room, rows, forms, standing, options)
  const previous = options.withoutHistory === true ? undefined : await previousOf(deps, conn, room, rows, standing)
  const memberships = options.withoutHistory === true ? undefined : await membershipsOf(rows, standing)
  const now = deps.clock.now()
  const made: RenderedEvent[] = []
  for (const row of rows) {
    const form = forms?.get(row.event_nid) ?? asStored
    // what is most often all there is, in few pieces
    let unsigned = row.state_after === null ? '' : (memberships?.get(row.state_after) ?? '')
    const transaction = transactions?.get(row.event_nid)
    if (transaction !== undefined) unsigned += `,"transaction_id":${JSON.stringify(transaction)}`
    if (previous !== undefined) unsigned += previous.get(row.event_nid) ?? ''
    if (row.redacted_by !== null) unsigned += because?.get(row.redacted_by) ?? ''
    else if (form.isErased && row.type !== 'm.room.redaction') unsigned += erasedBecause(deps, room, row)
    if (bundles !== undefined && !form.isPruned) unsigned += bundles.get(row.event_id) ?? ''
    const age = Math.max(0, now - row.origin_server_ts)
    const text = `${fragment(deps, room, row, form, options)},"unsigned":{"age":${age}${unsigned}}}`
    made.push({
      row,
      text: options.eventFields === undefined ? text : pick(text, options.eventFields),
      isPruned: form.isPruned || row.redacted_by !== null,
    })
  }
  return made
}

async function formsOf(
  deps: ReadDeps,
  conn: Conn,
  room: Room,
  rows: readonly ReadRow[],
  standing: UserStanding,
): Promise<Map<number, EventForm>> {
  const forms = new Map<number, EventForm>()
  for (const row of rows) forms.set(row.event_nid, await formOf(deps, conn, room, row, () => standing.isHolder(row)))
  return forms
}

/** Transaction ids of the reader's device; state is sent without any. Undefined where it sent none of the events. */
async function transactionsOf(conn: Conn, { userNid, deviceId }: UserViewer, rows: readonly ReadRow[]) {
  if (deviceId === undefined) return undefined
  const own = rows.filter((row) => row.sender_nid === userNid && row.local && row.state_key_nid === null)
  if (own.length === 0) return undefined
  const nids = own.map((row) => row.event_nid)
  return listOwnTransactions(conn, nids, userNid, deviceId)
}

/** `membership` of `unsigned`, by the state after the event. */
async function membershipsOf(rows: readonly ReadRow[], standing: UserStanding): Promise<Map<number, string>> {
  const made = new Map<number, string>()
  for (const [group, membership] of await standing.membershipsAfter(rows))
    made.set(group, `,"membership":${JSON.stringify(membership)}`)
  return made
}

/** What is bundled with the events that are whole for the reader. */
async function bundlesOf(
  deps: ReadDeps,
  conn: Conn,
  viewer: UserViewer,
  room: Room,
  rows: readonly ReadRow[],
  forms: ReadonlyMap<number, EventForm> | undefined,
  standing: UserStanding,
  options: ReadOptions,
): Promise<Map<string, string> | undefined> {
  const parents = rows.filter(
    (row) =>
      row.has_children !== false &&
      row.state_key_nid === null &&
      row.redacted_by === null &&
      forms?.get(row.event_nid)?.isPruned !== true,
  )
  if (parents.length === 0) return undefined
  const inner: ReadOptions = { ...options, standing, eventFields: undefined, onlyEdits: true, withoutVisibility: false }
  return listBundles(conn, viewer, parents, options, (children, isWhole) =>
    readEvents(deps, conn, viewer, room, children, { ...inner, withoutBundles: !isWhole }),
  )
}

/** Makes a pruned event read as deleted and not as blank. Never federated. */
function erasedBecause(deps: Pick<RoomsDeps, 'erased'>, room: Room, row: ReadRow): string {
  const { sender, eventId } = eventOfRow(room, row)
  const ts = deps.erased.of(row.sender_nid)?.erasedTs ?? row.pruned_ts ?? row.origin_server_ts
  return `,"redacted_because":${JSON.stringify({
    content: { redacts: eventId },
    event_id: `$erased-${eventId.slice(1)}`,
    origin_server_ts: ts,
    redacts: eventId,
    room_id: room.id,
    sender,
    type: 'm.room.redaction',
    unsigned: {},
  })}`
}

async function redactionsOf(
  deps: ReadDeps,
  conn: Conn,
  room: Room,
  rows: readonly ReadRow[],
  standing: UserStanding,
  options: ReadOptions,
): Promise<Map<number, string> | undefined> {
  if (rows.every((row) => row.redacted_by === null)) return undefined
  const nids = new Set(rows.map((row) => row.redacted_by).filter((nid) => nid !== null))
  const made = new Map<number, string>()
  for (const row of await listReadRows(conn, [...nids])) {
    const form = await formOf(deps, conn, room, row, () => standing.isHolder(row))
    // the reason that somebody gave after the reader had left is not for the reader
    const shown = (await standing.maySee(row)) || row.ord === null ? form : withoutReason
    made.set(row.event_nid, `,"redacted_because":${fragment(deps, room, row, shown, { ...options, roomId: true })}}`)
  }
  return made
}

const withoutReason: EventForm = { name: 'reason', isPruned: false, isErased: false, strip: ['reason'] }

/** `prev_content`, `prev_sender` and `replaces_state` of state events. */
async function previousOf(
  deps: ReadDeps,
  conn: Conn,
  room: Room,
  rows: readonly ReadRow[],
  standing: UserStanding,
): Promise<Map<number, string> | undefined> {
  if (rows.every((row) => row.state_key_nid === null)) return undefined
  const wanted = new Map<number, number>()
  for (const row of rows) {
    if (row.state_key_nid === null || row.state_before === null) continue
    const before = eventAt(await loadChain(deps.roomCache.caches, conn, row.state_before), row.state_key_nid)
    if (before !== undefined && before !== row.event_nid) wanted.set(row.event_nid, before)
  }
  if (wanted.size === 0) return undefined
  const texts = new Map<number, { id: string; content: string; mayBeSeen: boolean }>()
  for (const row of await listReadRows(conn, [...new Set(wanted.values())])) {
    const form = await formOf(deps, conn, room, row, () => standing.isHolder(row))
    const { event, content } = inForm(eventOfRow(room, row), form)
    texts.set(row.event_nid, {
      id: `,"replaces_state":${JSON.stringify(event.eventId)}`,
      content: `,"prev_content":${JSON.stringify(content)},"prev_sender":${JSON.stringify(event.sender)}`,
      mayBeSeen: await standing.maySee(row),
    })
  }
  const made = new Map<number, string>()
  for (const row of rows) {
    const before = texts.get(wanted.get(row.event_nid) ?? 0)
    if (before === undefined) continue
    // who was in the room had the state before the event, seen or not
    const mayBeSeen =
      before.mayBeSeen || (row.state_before !== null && (await standing.at(row.state_before)).membership === 'join')
    made.set(row.event_nid, mayBeSeen ? before.id + before.content : before.id)
  }
  return made
}

function pick(text: string, fields: readonly (readonly string[])[]): string {
  return JSON.stringify(pickProperties(JSON.parse(text) as JsonObject, fields))
}
