import { expect, test } from 'vitest'
import { canonicalJson } from '../../../src/protocol/canonical-json.ts'
import type { EventId, RoomId } from '../../../src/protocol/ids.ts'
import type { JsonObject } from '../../../src/protocol/json-types.ts'
import { findRoomVersion } from '../../../src/protocol/room-version.ts'
import { Caches } from '../../../src/rooms/caches.ts'
import { asStored } from '../../../src/rooms/event-form.ts'
import { fragment } from '../../../src/rooms/fragment.ts'
import type { ReadOptions } from '../../../src/rooms/read-options.ts'
import type { Room } from '../../../src/rooms/room.ts'
import type { KnownRow } from '../../../src/rooms/row-memory.ts'
import { makeSharedReads } from '../../../src/rooms/shared-reads.ts'
import { StateMemo } from '../../../src/rooms/state-memo.ts'
import type { RoomVersion } from '../../../src/protocol/room-version.ts'
import { seed } from '../../support/scale.ts'
import { Seeded } from '../../support/seeded.ts'

function roomOf(version: string): Room {
  return {
    nid: 1,
    id: '!a"b:x' as RoomId,
    version: findRoomVersion(version) as RoomVersion,
    revision: 1,
    extremities: [],
    currentGroup: 0,
    chain: [],
    nextOrd: 1,
    nextBackOrd: -1,
    lastLocalNid: 0,
    notifying: 0,
    partialState: false,
    hosts: [],
    memo: new StateMemo(),
  }
}

const texts = ['a', '"', '\\', '\u2028', 'é', ',"sender":"@x:x"', ']},"content":{'] as const

/** An event as it is stored, and its row; users are told apart by their row ids. */
function eventOf(random: Seeded, nid: number): { pdu: JsonObject; row: KnownRow } {
  const user = random.below(4)
  const isState = random.chance(0.4)
  const pdu = {
    auth_events: [`$${random.pick(['a', 'b'])}`],
    content: { body: random.pick(texts), nested: { content: [random.pick(texts)], sender: 1 } },
    depth: nid,
    origin_server_ts: random.below(2) * Number.MAX_SAFE_INTEGER,
    prev_events: [],
    room_id: '!a"b:x',
    sender: `@user${user}:x`,
    signatures: { x: { 'ed25519:a': 'x' } },
    type: random.pick(['m.room.message', 'x"', 'é']),
    ...(isState ? { state_key: random.pick(texts) } : {}),
  }
  const row: KnownRow = {
    event_nid: nid,
    event_id: `$event${nid}` as EventId,
    type: pdu.type,
    state_key_nid: isState ? 5 : null,
    sender_nid: 100 + user,
    origin_server_ts: pdu.origin_server_ts,
    ord: nid,
    writer: 1,
    pos: nid,
    state_before: 1,
    state_after: 1,
    current_after: null,
    rejected: null,
    soft_failed: false,
    backfilled: false,
    local: false,
    redacted_by: null,
    pruned_ts: null,
    json: canonicalJson(pdu),
  }
  return { pdu, row: random.chance(0.5) ? { ...row, texts: [] } : row }
}

test.each(['5', '6', '11', '12'])('an event of version %s is shown as it is stored', (version) => {
  const room = roomOf(version)
  const random = new Seeded(seed(90_100))
  const deps = { roomCache: { caches: new Caches() } } as Parameters<typeof fragment>[0]
  const known = Array.from({ length: 60 }, (_, i) => eventOf(random, i + 1))
  for (let i = 0; i < 600; i++) {
    const { pdu, row } = random.pick(known)
    const format = random.pick(['client', 'federation'] as const)
    const shared = random.chance(0.5) ? makeSharedReads() : undefined
    const options: ReadOptions = { roomId: random.chance(0.5), format, shared }
    const shown = JSON.parse(`${fragment(deps, room, row, asStored, options)}}`) as object
    const { content, origin_server_ts: ts, sender, type, state_key: stateKey } = pdu
    const event = {
      content,
      event_id: row.event_id,
      origin_server_ts: ts,
      sender,
      type,
      ...(options.roomId === true ? { room_id: room.id } : {}),
      ...(stateKey === undefined ? {} : { state_key: stateKey }),
    }
    expect(shown).toEqual(format === 'federation' ? pdu : event)
  }
})
