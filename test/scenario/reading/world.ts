import { parseRoomEventFilter } from '../../../src/protocol/filter.ts'
import type { EventId, RoomId, UserId } from '../../../src/protocol/ids.ts'
import type { JsonObject } from '../../../src/protocol/json-types.ts'
import { ErasedUsers } from '../../../src/rooms/erased.ts'
import type { ReadDeps } from '../../../src/rooms/read-options.ts'
import { newestOrd, oldestOrd, readPage } from '../../../src/rooms/timeline.ts'
import type { UserViewer } from '../../../src/rooms/viewer.ts'
import type { Conn } from '../../../src/store/database.ts'
import { putUserErased } from '../../../src/store/erased-marks.ts'
import { bumpEpoch } from '../../../src/store/epochs.ts'
import { putForgotten } from '../../../src/store/memberships.ts'
import type { Engine } from '../../../src/store/statement.ts'
import { putUserReturned } from '../../../src/store/users.ts'
import { makeEngine } from '../../support/engine.ts'
import type { TestEngine } from '../../support/engine.ts'
import type { ReplyEvent } from '../../support/reply.ts'

/** The reading side over the engine. */
export class ReadingWorld implements AsyncDisposable {
  readonly engine: TestEngine
  readonly erased = new ErasedUsers()
  readonly deps: ReadDeps

  private constructor(engine: TestEngine) {
    this.engine = engine
    this.deps = { ...engine.deps, erased: this.erased }
  }

  static async start(engine: Engine): Promise<ReadingWorld> {
    return new ReadingWorld(await makeEngine(engine))
  }

  async viewer(userId: UserId, more: Partial<UserViewer> = {}): Promise<UserViewer> {
    const userNid = await this.engine.database.read((conn) => this.deps.roomCache.userNid(conn, userId))
    return { kind: 'user', userNid: userNid ?? 0, userId, ...more }
  }

  async erase(userId: UserId, mode: 'redact' | 'forget' = 'forget'): Promise<void> {
    const { userNid } = await this.viewer(userId)
    const ts = this.deps.clock.now()
    await this.engine.database.write(async (tx) => {
      await putUserErased(tx, userNid, { ts, mode })
      await bumpEpoch(tx, 'erasures')
      tx.onCommit(() => this.erased.add(userNid, { erasedTs: ts, mode, returnedTs: undefined }))
    })
  }

  /** The erased person of another server is active again from `ts` on. */
  async comeBack(userId: UserId, ts: number): Promise<void> {
    const { userNid } = await this.viewer(userId)
    await this.engine.database.write(async (tx) => {
      await putUserReturned(tx, userNid, ts)
      tx.onCommit(() => this.erased.returned(userNid, ts))
    })
  }

  read<T>(fn: (conn: Conn) => Promise<T>): Promise<T> {
    return this.engine.database.snapshot(fn)
  }

  say(roomId: RoomId, sender: UserId, body: string, more: JsonObject = {}): Promise<EventId> {
    return this.send(roomId, sender, 'm.room.message', { msgtype: 'm.text', body, ...more })
  }

  async send(roomId: RoomId, sender: UserId, type: string, content: JsonObject, stateKey?: string): Promise<EventId> {
    const draft = { type, content, sender, ...(stateKey === undefined ? {} : { stateKey }) }
    return (await this.engine.append(roomId, draft)).eventId
  }

  member(roomId: RoomId, sender: UserId, target: UserId, membership: string, more: JsonObject = {}): Promise<EventId> {
    return this.send(roomId, sender, 'm.room.member', { membership, ...more }, target)
  }

  async forget(userId: UserId, roomId: RoomId): Promise<void> {
    const { userNid } = await this.viewer(userId)
    const room = await this.engine.current(roomId)
    await this.engine.database.write((tx) => putForgotten(tx, userNid, room.nid, true))
  }

  /** A page of `/messages`, and where the next one begins. */
  async page(
    viewer: UserViewer,
    roomId: RoomId,
    options: { dir?: 'b' | 'f'; from?: number; limit?: number; filter?: JsonObject } = {},
  ) {
    const { dir: direction = 'b', limit = 100, filter = {} } = options
    const from = options.from ?? (direction === 'b' ? newestOrd : oldestOrd)
    const request = { direction, from, to: undefined, limit, filter: parseRoomEventFilter(filter) }
    const page = await this.read((conn) => readPage(this.deps, conn, viewer, roomId, async () => request))
    return {
      ...page,
      events: page.chunk.map(({ text }) => JSON.parse(text) as ReplyEvent),
      next: page.end === undefined ? undefined : Number(page.end.slice(1)),
    }
  }

  async bodies(viewer: UserViewer, roomId: RoomId): Promise<unknown[]> {
    const { events } = await this.page(viewer, roomId, { filter: { types: ['m.room.message'] } })
    return events.map(({ content }) => content.body).toReversed()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.engine[Symbol.asyncDispose]()
  }
}
