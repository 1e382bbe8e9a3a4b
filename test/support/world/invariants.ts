import { checkContentHash } from '../../../src/protocol/hash.ts'
import type { RoomEvent } from '../../../src/protocol/event.ts'
import type { RoomId } from '../../../src/protocol/ids.ts'
import { eventJsonMode, parseJson } from '../../../src/protocol/json.ts'
import { requiredSigners } from '../../../src/protocol/required-signers.ts'
import type { RoomVersion } from '../../../src/protocol/room-version.ts'
import { pruneEvent } from '../../../src/protocol/redact.ts'
import { signingKeyIds, verifyEventSignature } from '../../../src/protocol/sign.ts'
import { checkShape } from '../../../src/rooms/checks/shape.ts'
import type { Acked } from './actions.ts'
import type { Copy } from './rows.ts'
import type { World } from './world.ts'

/** What is wrong with a room, one line each; nothing where all is right. */
export type Wrongs = string[]

/** An event read from its text, and what was found out about it. */
interface Read {
  readonly event: RoomEvent
  /** why its content hash is wrong */
  readonly hashRefusal: string | undefined
  /** found right before, as it is or as what a redaction left */
  readonly right: Set<'whole' | 'pruned'>
}

const readBefore = new Map<string, Read>()

/** A string says why the text is no event of the room. The same texts are on all servers, and in many worlds. */
function readText(version: RoomVersion, roomId: RoomId, json: string): Read | string {
  const key = `${roomId} ${json}`
  const known = readBefore.get(key)
  if (known !== undefined) return known
  const event = checkShape(version, roomId, parseJson(json, { mode: eventJsonMode(version) }))
  if (typeof event === 'string') return event
  const read: Read = { event, hashRefusal: checkContentHash(event), right: new Set() }
  if (readBefore.size > 5_000) readBefore.clear()
  readBefore.set(key, read)
  return read
}

/** Hashes, signatures and auth chains of everything that a server has stored of a room. */
export function checkStored(world: World, copy: Copy, wrongs: Wrongs): void {
  const { server, room, events } = copy
  for (const row of events.values()) {
    const event = verified(world, room.version, room.id, row.json, row.pruned_ts !== null, (why) => {
      wrongs.push(`${server.name} has ${row.event_id} (${row.type}): ${why}`)
      return undefined
    })
    if (event === undefined) continue
    if (event.eventId !== row.event_id) wrongs.push(`${server.name} has ${row.event_id} under a wrong id`)
    for (const id of event.authEventIds)
      if (!events.has(id)) wrongs.push(`${server.name} lacks the auth event ${id} of ${row.event_id}`)
    if (row.ord !== null && (row.outlier || row.rejected !== null || row.soft_failed))
      wrongs.push(`${server.name} shows ${row.event_id}, which was not accepted`)
  }
}

function verified(
  world: World,
  version: RoomVersion,
  roomId: RoomId,
  json: string,
  isPruned: boolean,
  wrong: (why: string) => undefined,
): RoomEvent | undefined {
  const read = readText(version, roomId, json)
  if (typeof read === 'string') return wrong(read)
  const { event, right } = read
  const form = isPruned ? 'pruned' : 'whole'
  if (right.has(form)) return event
  // another server may have had nothing more of it than what a redaction left
  if (!isPruned && read.hashRefusal !== undefined && pruneEvent(event).text !== json)
    return wrong('its content hash is wrong')
  for (const signer of requiredSigners(event)) {
    const { publicKey } = world.server(signer).composed.deps.signingKey
    if (!signingKeyIds(event.pdu, signer).some((keyId) => verifyEventSignature(event, signer, keyId, publicKey)))
      return wrong(`no signature of ${signer} is right`)
  }
  right.add(form)
  return event
}

/** Servers that are in a room have the same state and the same newest events. */
export function checkEqual(copies: readonly Copy[], wrongs: Wrongs): void {
  const [first, ...others] = copies
  if (first === undefined) return
  for (const other of others) {
    const places = new Set([...first.state.keys(), ...other.state.keys()])
    for (const place of places)
      if (first.state.get(place) !== other.state.get(place))
        wrongs.push(
          `state ${place}: ${first.server.name} has ${first.state.get(place)}, ${other.server.name} ${other.state.get(place)}`,
        )
    if (first.extremities.join() !== other.extremities.join())
      wrongs.push(
        `newest events: ${first.server.name} ${first.extremities.join()}, ${other.server.name} ${other.extremities.join()}`,
      )
  }
}

/** Every event is the same wherever it is: as it was sent, or as a redaction left it. */
export function checkSame(copies: readonly Copy[], wrongs: Wrongs): void {
  const texts = new Map<string, string>()
  for (const { server, room, events } of copies) {
    for (const row of events.values()) {
      const read = readText(room.version, room.id, row.json)
      if (typeof read === 'string') continue
      const key = `${row.event_id} ${read.hashRefusal === undefined}`
      const known = texts.get(key)
      if (known === undefined) texts.set(key, row.json)
      else if (known !== row.json) wrongs.push(`${row.event_id} has other bytes on ${server.name}`)
    }
  }
}

/** What a server has acknowledged it has, and so has every server that was in the room all the time. */
export function checkAcked(
  copies: readonly Copy[],
  steady: ReadonlySet<string>,
  acked: readonly Acked[],
  wrongs: Wrongs,
): void {
  for (const { eventId, server, what } of acked) {
    for (const copy of copies) {
      const row = copy.events.get(eventId)
      const { name } = copy.server
      if (name === server) {
        if (row === undefined || row.outlier || row.rejected !== null)
          wrongs.push(`${server} has lost ${eventId} (${what}), which it had acknowledged`)
        else if (row.ord === null)
          wrongs.push(`${server} does not show ${eventId} (${what}), which it had acknowledged`)
      } else if (steady.has(name) && steady.has(server) && (row === undefined || row.outlier))
        wrongs.push(`${name} never got ${eventId} (${what}) of ${server}`)
    }
  }
}

/** No message is there twice: a client that asked again was given the same event. */
export function checkOnce(copies: readonly Copy[], wrongs: Wrongs): void {
  const bodies = new Map<string, string>()
  for (const { events } of copies)
    for (const { event_id: eventId, type, json, pruned_ts } of events.values()) {
      if (type !== 'm.room.message' || pruned_ts !== null) continue
      const { sender, content } = JSON.parse(json) as { sender: string; content: { body?: string } }
      // pruned by whoever it came from
      if (content.body === undefined) continue
      const key = `${sender} ${content.body}`
      const known = bodies.get(key)
      if (known !== undefined && known !== eventId) wrongs.push(`${key} is there as ${known} and ${eventId}`)
      bodies.set(key, eventId)
    }
}

/** A redaction that two servers have accepted has done the same on both. */
export function checkRedactions(copies: readonly Copy[], wrongs: Wrongs): void {
  for (const copy of copies)
    for (const other of copies) {
      if (copy === other) continue
      for (const row of copy.events.values()) {
        if (row.redacted_by === null || row.outlier) continue
        const redaction = [...copy.events.values()].find(({ event_nid }) => event_nid === row.redacted_by)
        const there = other.events.get(row.event_id)
        const redactionThere = redaction && other.events.get(redaction.event_id)
        const isAccepted = redactionThere !== undefined && !redactionThere.outlier && !redactionThere.soft_failed
        if (
          there !== undefined &&
          !there.outlier &&
          isAccepted &&
          redactionThere.rejected === null &&
          there.redacted_by === null
        )
          wrongs.push(`${row.event_id} is redacted on ${copy.server.name} and not on ${other.server.name}`)
      }
    }
}

/** People of whom no membership was changed by anybody in the whole graph but by joins. */
export function steadyPeople(world: World, copies: readonly Copy[]): Set<string> {
  const steady = new Set(world.people.map(({ id }) => id as string))
  for (const { events } of copies)
    for (const { type, json } of events.values()) {
      if (type !== 'm.room.member') continue
      const { state_key: userId, content } = JSON.parse(json) as { state_key: string; content: { membership?: string } }
      if (content.membership !== 'join') steady.delete(userId)
    }
  return steady
}
