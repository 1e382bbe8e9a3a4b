import { createHash } from 'node:crypto'
import { insertAccount } from '../../src/store/accounts.ts'
import type { Database } from '../../src/store/database.ts'
import type { Engine } from '../../src/store/statement.ts'
import { putUser } from '../../src/store/users.ts'
import { silentLog } from '../../src/util/log.ts'
import { systemClock, systemRandom } from '../../src/util/system-ports.ts'
import type { EventId, RoomId, ServerName, UserId } from '../../src/protocol/ids.ts'
import type { RoomEvent } from '../../src/protocol/event.ts'
import { referenceHash } from '../../src/protocol/hash.ts'
import type { Json, JsonObject } from '../../src/protocol/json-types.ts'
import { findRoomVersion } from '../../src/protocol/room-version.ts'
import type { RoomVersion } from '../../src/protocol/room-version.ts'
import type { SigningKey } from '../../src/protocol/sign.ts'
import { signingKeyFromSeed, signingKeyIds, verifyEventSignature } from '../../src/protocol/sign.ts'
import { requiredSigners } from '../../src/protocol/required-signers.ts'
import { sealEvent } from '../../src/protocol/seal-event.ts'
import { isRefusal } from '../../src/protocol/event-refusal.ts'
import { appendLocal } from '../../src/rooms/append-local.ts'
import type { Draft } from '../../src/rooms/build.ts'
import type { RoomsDeps } from '../../src/rooms/deps.ts'
import { startRoom } from '../../src/rooms/new-room.ts'
import type { ErasureMark } from '../../src/rooms/prune-rule.ts'
import { MessageQueue } from '../../src/rooms/message-queue.ts'
import { RoomCache } from '../../src/rooms/room-cache.ts'
import { signHere } from '../../src/rooms/signer.ts'
import type { Room } from '../../src/rooms/room.ts'
import type { Place } from './store.ts'
import { makePlace } from './store.ts'

const keys = new Map<string, SigningKey>()

/** A signing key made of a name. */
export function testKey(name: string): SigningKey {
  let key = keys.get(name)
  if (key === undefined)
    keys.set(name, (key = signingKeyFromSeed('ed25519:t', createHash('sha256').update(name).digest())))
  return key
}

export function version(id: string): RoomVersion {
  const found = findRoomVersion(id)
  if (found === undefined) throw new Error(`no room version ${id}`)
  return found
}

/** What a test sets of a federation that is not there. */
export type FakeFederation = Partial<RoomsDeps['federation']>

/** The engine with a database of its own; other servers' keys are those of `testKey`. */
export interface TestEngine {
  readonly deps: RoomsDeps
  readonly database: Database
  /** Requests to other servers that were made, by name. */
  readonly calls: string[]
  readonly woken: number[]
  readonly erased: Map<number, ErasureMark>
  user(name: string): Promise<UserId>
  /** Makes a room with power levels, a join rule and a first member. */
  room(creator: UserId, options?: { version?: string; joinRule?: string; powerLevels?: JsonObject }): Promise<Room>
  append(roomId: RoomId, draft: Draft): Promise<RoomEvent>
  current(roomId: RoomId): Promise<Room>
  [Symbol.asyncDispose](): Promise<void>
}

export async function makeEngine(
  engine: Engine,
  name = 'a.test',
  federation: FakeFederation = {},
  shared?: Place,
): Promise<TestEngine> {
  const place = shared ?? (await makePlace(engine))
  const database = await place.open()
  const serverName = name as ServerName
  const calls: string[] = []
  const woken: number[] = []
  const erased = new Map<number, ErasureMark>()
  const verify = (event: RoomEvent): string | undefined =>
    requiredSigners(event).every((server) =>
      signingKeyIds(event.pdu, server).some((keyId) =>
        verifyEventSignature(event, server, keyId, testKey(server).publicKey),
      ),
    )
      ? undefined
      : 'a signature is wrong'
  const deps: RoomsDeps = {
    database,
    clock: systemClock,
    random: systemRandom,
    log: silentLog,
    serverName,
    signingKey: testKey(name),
    signer: signHere(testKey(name)),
    messages: new MessageQueue(() => deps),
    roomCache: new RoomCache(serverName),
    keyRing: {
      verifyEvent: async (event: RoomEvent) => verify(event),
      verifyEvents: async (events: readonly RoomEvent[]) =>
        new Map(events.flatMap((event) => (verify(event) === undefined ? [] : [[event.eventId, verify(event)]]))),
    },
    federation: new Proxy(federation, {
      get: (target, key) => {
        const fn = target[key as keyof FakeFederation] as ((...args: unknown[]) => Promise<unknown>) | undefined
        return (...args: unknown[]) => {
          calls.push(String(key))
          return fn === undefined ? Promise.reject(new Error('unreachable')) : fn(...args)
        }
      },
    }),
    outbound: { wake: (nids: Iterable<number>) => void woken.push(...nids) },
    erased: {
      of: (nid: number) => erased.get(nid),
      returned: (nid: number, ts: number) =>
        void erased.set(nid, { erasedTs: erased.get(nid)?.erasedTs ?? 0, returnedTs: ts }),
    },
    changes: { announce: () => {} },
  } as unknown as RoomsDeps
  const append = async (roomId: RoomId, draft: Draft) =>
    database.write(async (tx) => (await appendLocal(tx, deps, await deps.roomCache.forWrite(tx, roomId), draft)).event)
  return {
    deps,
    database,
    calls,
    woken,
    erased,
    append,
    current: (roomId) => database.read((conn) => deps.roomCache.get(conn, roomId)),
    async user(localpart) {
      const userId: UserId = `@${localpart}:${name}`
      await database.write(async (tx) => {
        const userNid = await putUser(tx, userId)
        await insertAccount(tx, { userNid, password: undefined, kind: 'user', admin: false, ts: 1 })
      })
      return userId
    },
    async room(creator, { version: id = '11', joinRule = 'public', powerLevels } = {}) {
      const roomVersion = version(id)
      const creatorContent: JsonObject = roomVersion.creatorIsSender ? {} : { creator }
      const roomId: RoomId | undefined = roomVersion.roomIdIsCreateHash
        ? undefined
        : `!${systemRandom.token(6)}:${name}`
      return database.write(async (tx) => {
        const draft = {
          type: 'm.room.create',
          stateKey: '',
          content: { room_version: id, ...creatorContent },
          sender: creator,
        }
        let { room } = await startRoom(tx, deps, { version: roomVersion, roomId, draft })
        const drafts: Draft[] = [
          {
            type: 'm.room.member',
            stateKey: creator,
            content: { membership: 'join', displayname: 'Creator' },
            sender: creator,
          },
          {
            type: 'm.room.power_levels',
            stateKey: '',
            content: powerLevels ?? (roomVersion.privilegedCreators ? { users: {} } : { users: { [creator]: 100 } }),
            sender: creator,
          },
          { type: 'm.room.join_rules', stateKey: '', content: { join_rule: joinRule }, sender: creator },
        ]
        for (const each of drafts) ({ room } = await appendLocal(tx, deps, room, each))
        return room
      })
    },
    async [Symbol.asyncDispose]() {
      if (shared === undefined) await place[Symbol.asyncDispose]()
      else await database.close()
    },
  }
}

/** An event of another server, signed with its test key. */
export function remoteEvent(
  roomVersion: RoomVersion,
  fields: {
    readonly roomId: RoomId
    readonly sender: UserId
    readonly type: string
    readonly stateKey?: string
    readonly content: JsonObject
    readonly prev: readonly RoomEvent[]
    readonly auth: readonly RoomEvent[]
    readonly ts?: number
    readonly redacts?: EventId
    readonly depth?: number
  },
): RoomEvent {
  const { roomId, sender, type, stateKey, content, prev, auth, ts, redacts } = fields
  const server = sender.slice(sender.indexOf(':') + 1) as ServerName
  const pdu: Record<string, Json> = {
    room_id: roomId,
    sender,
    type,
    content,
    prev_events: prev.map((event) => referenceTo(roomVersion, event)),
    auth_events: auth.map((event) => referenceTo(roomVersion, event)),
    depth: fields.depth ?? Math.max(0, ...prev.map(({ depth }) => depth)) + 1,
    origin_server_ts: ts ?? 1_700_000_000_000,
  }
  if (stateKey !== undefined) pdu.state_key = stateKey
  if (roomVersion.eventIdFormat === 'origin') pdu.event_id = `$${systemRandom.token(9)}:${server}`
  if (redacts !== undefined && !roomVersion.redactsInContent) pdu.redacts = redacts
  if (redacts !== undefined && roomVersion.redactsInContent) pdu.content = { ...content, redacts }
  const event = sealEvent(roomVersion, pdu, server, testKey(server))
  if (isRefusal(event)) throw new Error(event.reason)
  return event
}

/** How an event names another one among its previous or auth events. */
export function referenceTo(roomVersion: RoomVersion, { eventId, pdu }: RoomEvent): Json {
  return roomVersion.eventIdFormat === 'origin' ? [eventId, { sha256: referenceHash(roomVersion, pdu) }] : eventId
}
