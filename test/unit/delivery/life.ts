import type { Requester } from '../../../src/accounts/requester.ts'
import { setMarks } from '../../../src/delivery/receipts.ts'
import { sync } from '../../../src/delivery/sync/sync.ts'
import { setTyping } from '../../../src/delivery/typing.ts'
import { parseFilter } from '../../../src/protocol/filter.ts'
import type { Filter } from '../../../src/protocol/filter.ts'
import type { EventId, RoomId, UserId } from '../../../src/protocol/ids.ts'
import type { JsonObject } from '../../../src/protocol/json-types.ts'
import { putAccountData } from '../../../src/store/account-data.ts'
import { bumpEpoch } from '../../../src/store/epochs.ts'
import { putUserErased } from '../../../src/store/erased-marks.ts'
import { putPushRules } from '../../../src/store/push-rules.ts'
import { stringify } from '../../../src/util/raw-json.ts'
import type { Seeded } from '../../support/seeded.ts'
import type { DeliveryWorld } from './delivery-world.ts'

const names = ['alice', 'bob', 'carol', 'dave', 'erin', 'frank']
const filters: readonly JsonObject[] = [
  {},
  { room: { state: { lazy_load_members: true }, timeline: { unread_thread_notifications: true } } },
  { room: { timeline: { limit: 3 }, ephemeral: { not_types: ['m.typing'] } } },
]

/** Two devices of one person: one is always answered alone, the other together with everybody's. */
export interface Person {
  readonly userId: UserId
  readonly requester: Requester
  readonly filter: JsonObject
  alone: string | undefined
  together: string | undefined
}

/** `kinds`: among how many filters they are spread. */
export async function peopleOf(world: DeliveryWorld, kinds = filters.length): Promise<Person[]> {
  const people: Person[] = []
  for (const [index, name] of names.entries()) {
    const userId = await world.engine.user(name)
    const filter = filters[index % kinds] as JsonObject
    people.push({ userId, requester: await world.requester(userId), filter, alone: undefined, together: undefined })
  }
  return people
}

/** As the server keeps them: whoever asks with the same text has the same value. */
const parsedFilters = new Map<string, Filter>()

function parsed(filter: JsonObject): Filter {
  const text = JSON.stringify(filter)
  let known = parsedFilters.get(text)
  if (known === undefined) parsedFilters.set(text, (known = parseFilter(filter)))
  return known
}

/** A person's answer, as text; the ages of events are left out. */
export async function askText(
  world: DeliveryWorld,
  { requester, filter }: Pick<Person, 'requester' | 'filter'>,
  deviceId: string,
  since: string | undefined,
): Promise<string> {
  const answer = await sync(
    world.deps,
    { ...requester, deviceId },
    {
      since,
      filter: parsed(filter),
      fullState: false,
      stateAfterKey: undefined,
      timeoutMs: 0,
      signal: new AbortController().signal,
    },
  )
  return stringify(answer).replace(/"age":\d+/g, '"age":0')
}

export const ask = async (world: DeliveryWorld, person: Person, deviceId: string, since: string | undefined) =>
  JSON.parse(await askText(world, person, deviceId, since)) as Answer

export interface Answer {
  readonly next_batch: string
  readonly account_data?: { readonly events: readonly { readonly type: string }[] }
}

export interface Section {
  readonly timeline: { readonly events: readonly { readonly content: { readonly body?: string } }[] }
  readonly ephemeral: { readonly events: readonly { readonly type: string }[] }
  readonly unread_notifications: { readonly notification_count: number; readonly highlight_count: number }
}

/** Something that somebody does; what is not allowed does not happen. */
export class Life {
  readonly #world: DeliveryWorld
  readonly #random: Seeded
  readonly #people: readonly Person[]
  readonly #rooms: readonly RoomId[]
  readonly #said: { readonly room: RoomId; readonly id: EventId; readonly thread: EventId | undefined }[] = []

  constructor(world: DeliveryWorld, random: Seeded, people: readonly Person[], rooms: readonly RoomId[]) {
    this.#world = world
    this.#random = random
    this.#people = people
    this.#rooms = rooms
  }

  async step(): Promise<void> {
    const [random, world] = [this.#random, this.#world]
    const [person, other] = [random.pick(this.#people), random.pick(this.#people)]
    const room = random.pick(this.#rooms)
    const { userId } = person
    const { userNid } = person.requester
    const { database } = world.deps
    switch (random.below(14)) {
      case 0: {
        const membership = random.pick(['join', 'join', 'leave'])
        await world.send(room, userId, 'm.room.member', { membership }, userId)
        return
      }
      case 1:
        await world.send(room, userId, 'm.room.member', { membership: 'invite' }, other.userId)
        return
      case 2: {
        const visibility = random.pick(['shared', 'joined', 'invited', 'world_readable'])
        await world.send(room, userId, 'm.room.history_visibility', { history_visibility: visibility }, '')
        return
      }
      case 3:
        await world.send(room, userId, 'm.room.topic', { topic: `t${random.below(1000)}` }, '')
        return
      case 4: {
        const listed = random.chance(0.7) ? { [other.userId]: {} } : {}
        await this.#data(userNid, 0, 'm.ignored_user_list', { ignored_users: listed })
        return
      }
      case 5:
        await this.#data(userNid, random.chance(0.5) ? 0 : await this.#nid(room), 'own.data', { n: random.below(9) })
        return
      case 6: {
        const edits = random.chance(0.5) ? { '.m.rule.message': { enabled: false } } : {}
        await database.write(async (tx) => {
          await putPushRules(tx, userNid, JSON.stringify({ own: {}, defaults: edits }))
          tx.afterCommit(() => world.deps.changes.announce({ userNids: [userNid] }))
        })
        return
      }
      case 7:
        await setTyping(world.deps, person.requester, room, { isTyping: random.chance(0.6) })
        return
      case 8:
      case 9:
        await this.#mark(person)
        return
      case 10: {
        const target = this.#said.length === 0 ? undefined : random.pick(this.#said)
        if (target !== undefined) await world.send(target.room, userId, 'm.room.redaction', { redacts: target.id })
        return
      }
      default:
        await this.#say(room, userId, other.userId)
    }
  }

  async #say(room: RoomId, sender: UserId, other: UserId): Promise<void> {
    const random = this.#random
    const roots = this.#said.filter((one) => one.room === room && one.thread === undefined)
    const root = random.chance(0.4) && roots.length > 0 ? random.pick(roots).id : undefined
    const relType = root === undefined ? undefined : random.pick(['m.thread', 'm.thread', 'm.replace', 'm.reference'])
    const id = await this.#world.say(room, sender, `said ${random.below(1e6)}`, {
      ...(relType === undefined ? {} : { 'm.relates_to': { rel_type: relType, event_id: root as string } }),
      ...(relType === 'm.replace' ? { 'm.new_content': { msgtype: 'm.text', body: 'edited' } } : {}),
      ...(random.chance(0.2) ? { 'm.mentions': { user_ids: [other] } } : {}),
    })
    this.#said.push({ room, id, thread: relType === 'm.thread' ? root : undefined })
  }

  async #mark({ requester }: Person): Promise<void> {
    const random = this.#random
    if (this.#said.length === 0) return
    const { room, id, thread } = random.pick(this.#said)
    const type = random.pick(['m.read', 'm.read.private', 'm.fully_read'] as const)
    const threadId = type === 'm.fully_read' || random.chance(0.5) ? undefined : (thread ?? 'main')
    await setMarks(this.#world.deps, requester, room, [{ type, eventId: id, threadId }])
  }

  #data(userNid: number, roomNid: number, type: string, content: JsonObject): Promise<void> {
    const { database, changes } = this.#world.deps
    return database.write(async (tx) => {
      await putAccountData(tx, { userNid, roomNid, type, content: JSON.stringify(content) })
      tx.afterCommit(() => changes.announce({ userNids: [userNid] }))
    })
  }

  #nid(room: RoomId): Promise<number> {
    return this.#world.deps.database.read(async (conn) => (await this.#world.deps.roomCache.get(conn, room)).nid)
  }
}

export async function erase(world: DeliveryWorld, { requester }: Person): Promise<void> {
  const { database, clock } = world.deps
  await database.write(async (tx) => {
    await putUserErased(tx, requester.userNid, { ts: clock.now(), mode: 'forget' })
    await bumpEpoch(tx, 'erasures')
  })
  // on PostgreSQL it was another process, whose erasure is seen by who reads next
  if (database.engine === 'sqlite') await database.read((conn) => world.erased.load(conn))
}

export function ordered({ account_data: data, ...rest }: Answer): object {
  return { ...rest, data: data?.events.toSorted((a, b) => (a.type < b.type ? -1 : 1)) }
}

/** Throws what is no refusal. */
export function isRefused(error: unknown): void {
  if (!(error instanceof Error) || !('errcode' in error)) throw error
}
