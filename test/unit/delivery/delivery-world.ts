import { makeConfig } from '../../../src/cli/config/make.ts'
import type { Requester } from '../../../src/accounts/requester.ts'
import type { DeliveryDeps } from '../../../src/delivery/deps.ts'
import { makeDelivery } from '../../../src/delivery/make-delivery.ts'
import type { Delivery } from '../../../src/delivery/make-delivery.ts'
import { sync } from '../../../src/delivery/sync/sync.ts'
import type { EphemeralEdu } from '../../../src/federation/outbound-deps.ts'
import { parseFilter } from '../../../src/protocol/filter.ts'
import type { EventId, RoomId, UserId } from '../../../src/protocol/ids.ts'
import type { JsonObject } from '../../../src/protocol/json-types.ts'
import { appendLocal } from '../../../src/rooms/append-local.ts'
import type { RoomsDeps } from '../../../src/rooms/deps.ts'
import { ErasedUsers } from '../../../src/rooms/erased.ts'
import { room as roomLock } from '../../../src/store/locks.ts'
import { Changes } from '../../../src/store/changes.ts'
import type { Engine } from '../../../src/store/statement.ts'
import { stringify } from '../../../src/util/raw-json.ts'
import { makeEngine } from '../../support/engine.ts'
import type { TestEngine } from '../../support/engine.ts'
import type { Place } from '../../support/store.ts'
import type { Reply } from '../../support/reply.ts'

/** Engine and delivery over one database, without HTTP. */
export class DeliveryWorld implements AsyncDisposable {
  readonly engine: TestEngine
  readonly deps: DeliveryDeps & RoomsDeps
  readonly delivery: Delivery
  readonly erased: ErasedUsers
  readonly edus: { readonly servers: readonly unknown[]; readonly edu: EphemeralEdu }[]

  private constructor(
    engine: TestEngine,
    deps: DeliveryDeps & RoomsDeps,
    delivery: Delivery,
    erased: ErasedUsers,
    edus: DeliveryWorld['edus'],
  ) {
    this.engine = engine
    this.deps = deps
    this.delivery = delivery
    this.erased = erased
    this.edus = edus
  }

  /** `place`: the database of another world, as another process sees it. */
  static async start(engine: Engine, place?: Place): Promise<DeliveryWorld> {
    const made = place === undefined ? await makeEngine(engine) : await makeEngine(engine, 'a.test', {}, place)
    const edus: DeliveryWorld['edus'] = []
    const base = {
      ...made.deps,
      config: makeConfig({ server_name: 'a.test' }),
      changes: new Changes(),
      erased: new ErasedUsers(),
      outbound: {
        ...made.deps.outbound,
        wake: () => {},
        sendEphemeral: (servers: Iterable<unknown>, edu: EphemeralEdu) =>
          void edus.push({ servers: [...servers], edu }),
      },
    }
    const delivery = await makeDelivery(base)
    return new DeliveryWorld(made, { ...base, ...delivery }, delivery, base.erased, edus)
  }

  async requester(userId: UserId): Promise<Requester> {
    const userNid = await this.deps.database.read((conn) => this.deps.roomCache.userNid(conn, userId))
    if (userNid === undefined) throw new Error(`no user ${userId}`)
    return { userId, userNid, deviceId: 'DEVICE', kind: 'user', admin: false, suspended: false, tokenHash: '' }
  }

  async sync(
    userId: UserId,
    since?: string,
    options: { filter?: JsonObject; timeoutMs?: number } = {},
  ): Promise<Reply> {
    const answer = await sync(this.deps, await this.requester(userId), {
      since,
      filter: parseFilter(options.filter ?? {}),
      fullState: false,
      stateAfterKey: undefined,
      timeoutMs: options.timeoutMs ?? 0,
      signal: new AbortController().signal,
    })
    return JSON.parse(stringify(answer))
  }

  async send(roomId: RoomId, sender: UserId, type: string, content: JsonObject, stateKey?: string): Promise<EventId> {
    const { database, roomCache } = this.deps
    const room = await database.read((conn) => roomCache.get(conn, roomId))
    const draft = { type, content, sender, ...(stateKey === undefined ? {} : { stateKey }) }
    return database.write(
      async (tx) => (await appendLocal(tx, this.deps, await roomCache.forWrite(tx, roomId), draft)).event.eventId,
      { locks: [roomLock(room.nid)] },
    )
  }

  say(roomId: RoomId, sender: UserId, body: string, more: JsonObject = {}): Promise<EventId> {
    return this.send(roomId, sender, 'm.room.message', { msgtype: 'm.text', body, ...more })
  }

  join(roomId: RoomId, userId: UserId): Promise<EventId> {
    return this.send(roomId, userId, 'm.room.member', { membership: 'join' }, userId)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.delivery.stop()
    await this.engine[Symbol.asyncDispose]()
  }
}
