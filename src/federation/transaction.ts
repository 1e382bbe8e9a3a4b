import { canonicalJson } from '../protocol/canonical-json.ts'
import type { ServerName } from '../protocol/ids.ts'
import type { JsonObject } from '../protocol/json-types.ts'
import type { Conn, Tx } from '../store/database.ts'
import { findEpoch } from '../store/epochs.ts'
import * as store from '../store/outbound.ts'

/** PDUs and EDUs of a transaction (server-server API, "Transactions"). */
export const maxPdus = 50
export const maxEdus = 100
/** A destination that was away gets rooms with at most so many new events event by event. */
const fewBehind = 100

/**
 * Texts of events as they may be sent to a server: canonical JSON, pruned where their sender is erased, without those
 * that it must not get.
 */
export type Prepare = (conn: Conn, server: ServerName, eventNids: readonly number[]) => Promise<readonly string[]>

/** What an acknowledgement means. */
export interface Marks {
  readonly rooms: readonly (readonly [roomNid: number, sentNid: number])[]
  readonly eduNids: readonly number[]
}

/** A transaction that is ready to be sent. */
export interface Transaction {
  readonly txnId: string
  readonly body: string
  readonly marks: Marks
  /** PDUs and EDUs inside */
  readonly size: number
  /** whether its row is in the database, so that it is sent until it is acknowledged */
  readonly isStored: boolean
  /** nothing else waited when it was built */
  readonly isAll: boolean
}

export interface BuildArgs {
  readonly serverNid: number
  readonly server: ServerName
  readonly origin: ServerName
  readonly prepare: Prepare
  readonly newTxnId: string
  readonly nowTs: number
  /** the destination was away: of rooms with much news it gets redactions and the newest events only */
  readonly isCatchingUp: boolean
  /** how many PDUs and EDUs at most, for a destination that refuses larger ones */
  readonly most: number
  readonly ephemeral: readonly JsonObject[]
}

/**
 * The transaction that a destination gets next: the one in flight, as it was, or a new one, stored. Undefined: nothing
 * waits. In one write, so that no erasure comes between looking and storing. Contents that turn out to be nothing are
 * marked as sent, then `size` is 0 and nothing must be sent.
 */
export async function nextTransaction(tx: Tx, args: BuildArgs): Promise<Transaction | undefined> {
  const epoch = await findEpoch(tx, 'erasures')
  const row = await store.findOutboundTransaction(tx, args.serverNid)
  if (row !== undefined) {
    const marks = JSON.parse(row.marks) as Marks
    const eventNids = JSON.parse(row.event_nids) as number[]
    const size = eventNids.length + marks.eduNids.length
    if (size <= args.most || size <= 1) {
      if (row.epoch === epoch) return { txnId: row.txn_id, body: row.body, marks, size, isStored: true, isAll: false }
      return rebuild(tx, args, row, marks, eventNids, epoch)
    }
  }
  return build(tx, args, epoch)
}

/** After an erasure: the same transaction where what may be sent is still the same, else its rest under a new id. */
async function rebuild(
  tx: Tx,
  args: BuildArgs,
  row: store.OutboundTransaction,
  marks: Marks,
  eventNids: readonly number[],
  epoch: number,
): Promise<Transaction> {
  const pdus = await args.prepare(tx, args.server, eventNids)
  const edus = (await store.listOutboundEdusByNids(tx, args.serverNid, marks.eduNids)).map(eduText)
  const body = bodyText(args.origin, row.created_ts, pdus, edus)
  const size = pdus.length + edus.length
  const txnId = body === row.body ? row.txn_id : args.newTxnId
  if (size === 0) {
    await store.finishOutboundTransaction(tx, args.serverNid, { txnId: row.txn_id, ...marks })
    return { txnId, body, marks, size, isStored: false, isAll: false }
  }
  await store.putOutboundTransaction(tx, { ...row, txn_id: txnId, body, epoch })
  return { txnId, body, marks, size, isStored: true, isAll: false }
}

async function build(tx: Tx, args: BuildArgs, epoch: number): Promise<Transaction | undefined> {
  const { serverNid, server, origin, prepare, nowTs, newTxnId } = args
  const chosen = await chooseEvents(tx, args)
  const mostEdus = Math.min(maxEdus, args.most)
  const waiting = await store.listOutboundEdus(tx, serverNid, mostEdus)
  const isAll = chosen.isAll && waiting.length < mostEdus
  const pdus = await prepare(tx, server, chosen.eventNids)
  const eduTexts = [...waiting.map(eduText), ...args.ephemeral.slice(0, maxEdus - waiting.length).map(canonicalJson)]
  const marks: Marks = { rooms: chosen.rooms, eduNids: waiting.map(({ eduNid }) => eduNid) }
  const size = pdus.length + eduTexts.length
  const isNothing = chosen.rooms.length === 0 && waiting.length === 0
  if (size === 0 && isNothing) return undefined
  const body = bodyText(origin, nowTs, pdus, eduTexts)
  // Ephemeral ones alone are not worth a row: what they say is soon untrue.
  if (isNothing) return { txnId: newTxnId, body, marks, size, isStored: false, isAll }
  if (size === 0) {
    await store.finishOutboundTransaction(tx, serverNid, { txnId: newTxnId, ...marks })
    return { txnId: newTxnId, body, marks, size, isStored: false, isAll }
  }
  await store.putOutboundTransaction(tx, {
    server_nid: serverNid,
    txn_id: newTxnId,
    body,
    marks: JSON.stringify(marks),
    event_nids: JSON.stringify(chosen.eventNids),
    epoch,
    created_ts: nowTs,
  })
  return { txnId: newTxnId, body, marks, size, isStored: true, isAll }
}

interface Chosen {
  readonly eventNids: number[]
  readonly rooms: [number, number][]
  readonly isAll: boolean
}

async function chooseEvents(tx: Tx, { serverNid, isCatchingUp, most: wished }: BuildArgs): Promise<Chosen> {
  const most = Math.min(maxPdus, wished)
  const behind = await store.listRoomsBehind(tx, serverNid, fewBehind + 1)
  const isFar = (room: store.RoomBehind) => isCatchingUp && room.behind > fewBehind
  const chosen = await chooseInOrder(
    tx,
    serverNid,
    behind.filter((room) => !isFar(room)),
    most,
  )
  const far = behind.filter(isFar)
  for (const room of far) {
    const left = most - chosen.eventNids.length
    if (left <= 0) break
    await chooseCatchUp(tx, serverNid, room, left, chosen)
  }
  return far.length === 0 ? chosen : { ...chosen, isAll: false }
}

async function chooseInOrder(
  tx: Tx,
  serverNid: number,
  rooms: readonly store.RoomBehind[],
  most: number,
): Promise<Chosen> {
  const events = await store.listEventsToSend(
    tx,
    serverNid,
    rooms.map(({ roomNid }) => roomNid),
    most,
  )
  const marks = new Map(events.map(({ room_nid, event_nid }) => [room_nid, event_nid]))
  // When all of them are in, the marks move to the end, also of rooms that had nothing to send.
  // An event that was committed between the two looks may be beyond what was the end.
  const isAll = events.length < most
  for (const { roomNid, endNid } of isAll ? rooms : []) marks.set(roomNid, Math.max(endNid, marks.get(roomNid) ?? 0))
  const sendable = events.filter((event) => !event.held && event.sender_server_nid !== serverNid)
  return { eventNids: sendable.map(({ event_nid }) => event_nid), rooms: [...marks], isAll }
}

/** All redactions of ours first, oldest first: behind a single newest event a peer would never ask for them. */
async function chooseCatchUp(
  tx: Tx,
  serverNid: number,
  room: store.RoomBehind,
  left: number,
  chosen: Chosen,
): Promise<void> {
  const redactions = await store.listRedactionsToSend(tx, room, left)
  chosen.eventNids.push(...redactions)
  const spare = left - redactions.length
  const newest = spare > 0 ? await store.listNewestToSend(tx, room, serverNid) : []
  const last = redactions.at(-1)
  if (last !== undefined && (spare === 0 || newest.length > spare)) {
    chosen.rooms.push([room.roomNid, last])
    return
  }
  chosen.eventNids.push(...newest.filter((nid) => !redactions.includes(nid)).slice(-spare))
  chosen.rooms.push([room.roomNid, room.endNid])
}

function eduText({ type, content }: store.OutboundEdu): string {
  return canonicalJson({ content: JSON.parse(content) as JsonObject, edu_type: type })
}

/** Canonical JSON of a transaction, made of texts that are canonical. */
function bodyText(origin: ServerName, ts: number, pdus: readonly string[], edus: readonly string[]): string {
  const head = edus.length === 0 ? '{' : `{"edus":[${edus.join(',')}],`
  return `${head}"origin":${JSON.stringify(origin)},"origin_server_ts":${ts},"pdus":[${pdus.join(',')}]}`
}
