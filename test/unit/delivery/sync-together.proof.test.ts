import { describe, expect, test, vi } from 'vitest'
import type { Requester } from '../../../src/accounts/requester.ts'
import { setMarks } from '../../../src/delivery/receipts.ts'
import { sync } from '../../../src/delivery/sync/sync.ts'
import { setTyping } from '../../../src/delivery/typing.ts'
import { parseFilter } from '../../../src/protocol/filter.ts'
import type { EventId, RoomId, UserId } from '../../../src/protocol/ids.ts'
import type { JsonObject } from '../../../src/protocol/json-types.ts'
import { putAccountData } from '../../../src/store/account-data.ts'
import { bumpEpoch } from '../../../src/store/epochs.ts'
import { putUserErased } from '../../../src/store/erased-marks.ts'
import { putPushRules } from '../../../src/store/push-rules.ts'
import { stringify } from '../../../src/util/raw-json.ts'
import { isFull, scale, seed } from '../../support/scale.ts'
import { Seeded } from '../../support/seeded.ts'
import { engines } from '../../support/store.ts'
import { DeliveryWorld } from './delivery-world.ts'

const names = ['alice', 'bob', 'carol', 'dave', 'erin', 'frank']
const filters: readonly JsonObject[] = [
  {},
  { room: { state: { lazy_load_members: true }, timeline: { unread_thread_notifications: true } } },
  { room: { timeline: { limit: 3 }, ephemeral: { not_types: ['m.typing'] } } },
]

/** Two devices of one person: one is always answered alone, the other together with everybody's. */
interface Person {
  readonly userId: UserId
  readonly requester: Requester
  readonly filter: JsonObject
  alone: string | undefined
  together: string | undefined
}

async function peopleOf(world: DeliveryWorld): Promise<Person[]> {
  const people: Person[] = []
  for (const [index, name] of names.entries()) {
    const userId = await world.engine.user(name)
    const filter = filters[index % filters.length] as JsonObject
    people.push({ userId, requester: await world.requester(userId), filter, alone: undefined, together: undefined })
  }
  return people
}

async function ask(world: DeliveryWorld, { requester, filter }: Person, deviceId: string, since: string | undefined) {
  const answer = await sync(
    world.deps,
    { ...requester, deviceId },
    {
      since,
      filter: parseFilter(filter),
      fullState: false,
      stateAfterKey: undefined,
      timeoutMs: 0,
      signal: new AbortController().signal,
    },
  )
  return JSON.parse(stringify(answer), (key, value: unknown) => (key === 'age' ? 0 : value)) as Answer
}

interface Answer {
  readonly next_batch: string
  readonly account_data?: { readonly events: readonly { readonly type: string }[] }
}

interface Section {
  readonly timeline: { readonly events: readonly { readonly content: { readonly body?: string } }[] }
  readonly ephemeral: { readonly events: readonly { readonly type: string }[] }
  readonly unread_notifications: { readonly notification_count: number; readonly highlight_count: number }
}

/** Something that somebody does; what is not allowed does not happen. */
class Life {
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

async function erase(world: DeliveryWorld, { requester }: Person): Promise<void> {
  const ts = world.deps.clock.now()
  await world.deps.database.write(async (tx) => {
    await putUserErased(tx, requester.userNid, { ts, mode: 'forget' })
    await bumpEpoch(tx, 'erasures')
  })
  await world.deps.database.read((conn) => world.erased.load(conn))
}

function ordered({ account_data: data, ...rest }: Answer): object {
  return { ...rest, data: data?.events.toSorted((a, b) => (a.type < b.type ? -1 : 1)) }
}

describe.each(engines)('readers who are answered together, on %s', (engine) => {
  test('each gets exactly what they would get alone', async () => {
    for (let run = 0; run < scale(2, 20); run++) {
      const from = seed(90_000) + run
      await using world = await DeliveryWorld.start(engine)
      const random = new Seeded(from)
      const people = await peopleOf(world)
      const rooms: RoomId[] = []
      const levels = { users_default: 50, users: { [(people[0] as Person).userId]: 100 } }
      for (const [index] of [0, 1, 2].entries())
        rooms.push(
          (
            await world.engine.room((people[0] as Person).userId, {
              powerLevels: levels,
              version: index === 0 ? '10' : '11',
            })
          ).id,
        )
      for (const { userId } of people.slice(1))
        for (const room of rooms) if (random.chance(0.8)) await world.join(room, userId)
      const life = new Life(world, random, people, rooms)
      for (const person of people) {
        person.alone = (await ask(world, person, 'ALONE', undefined)).next_batch
        person.together = (await ask(world, person, 'TOGETHER', undefined)).next_batch
      }
      for (let round = 0; round < 8; round++) {
        for (let i = 0; i < 1 + random.below(12); i++) await life.step().catch(isRefused)
        if (round === 4) await erase(world, people.at(-1) as Person)
        // somebody stays behind now and then
        const readers = people.filter(() => random.chance(0.85))
        const alone: Answer[] = []
        for (const person of readers) alone.push(await ask(world, person, 'ALONE', person.alone))
        const snapshots = vi.spyOn(world.deps.database, 'snapshot')
        const together = await Promise.all(readers.map((person) => ask(world, person, 'TOGETHER', person.together)))
        expect(snapshots).toHaveBeenCalledTimes(readers.length === 0 ? 0 : 1)
        snapshots.mockRestore()
        for (const [index, person] of readers.entries()) {
          const [one, other] = [alone[index] as Answer, together[index] as Answer]
          expect(ordered(other), `seed ${from}, round ${round}, ${person.userId}`).toEqual(ordered(one))
          person.alone = one.next_batch
          person.together = other.next_batch
        }
      }
    }
  })

  test('readers of one message who ignore, have read, wrote, are mentioned, joined later', async () => {
    await using world = await DeliveryWorld.start(engine)
    const people = await peopleOf(world)
    const [alice, bob, carol, dave, erin, frank] = people as [Person, Person, Person, Person, Person, Person]
    const room = (await world.engine.room(alice.userId)).id
    for (const { userId } of [bob, carol, dave, erin]) await world.join(room, userId)
    await world.send(room, alice.userId, 'm.room.history_visibility', { history_visibility: 'joined' }, '')
    const { database, changes } = world.deps
    const ignored = JSON.stringify({ ignored_users: { [bob.userId]: {} } })
    await database.write(async (tx) => {
      const of = { userNid: carol.requester.userNid, roomNid: 0, type: 'm.ignored_user_list', content: ignored }
      await putAccountData(tx, of)
      tx.afterCommit(() => changes.announce({ userNids: [of.userNid] }))
    })
    for (const person of people) person.together = (await ask(world, person, 'TOGETHER', undefined)).next_batch
    const first = await world.say(room, bob.userId, 'of bob')
    await world.say(room, alice.userId, 'of alice', { 'm.mentions': { user_ids: [erin.userId] } })
    await setMarks(world.deps, dave.requester, room, [{ type: 'm.read.private', eventId: first }])
    await world.send(room, frank.userId, 'm.room.member', { membership: 'join' }, frank.userId)
    const answers = await Promise.all(people.map((person) => ask(world, person, 'TOGETHER', person.together)))
    const seen = answers.map((answer) => {
      const joined = (answer as unknown as { rooms: { join: Record<RoomId, Section> } }).rooms.join[room] as Section
      const { notification_count: unread, highlight_count: highlights } = joined.unread_notifications
      const texts = joined.timeline.events.flatMap(({ content }) => content.body ?? [])
      const receipts = joined.ephemeral.events.filter(({ type }) => type === 'm.receipt').length
      return [texts, unread, highlights, receipts]
    })
    const all = ['of bob', 'of alice']
    expect(seen).toEqual([
      [all, 0, 0, 0],
      [all, 1, 0, 0],
      [['of alice'], 1, 0, 0],
      [all, 1, 0, 1],
      [all, 2, 1, 0],
      [[], 0, 0, 0],
    ])
  })

  test('more unread than is looked through for all', async () => {
    const count = engine === 'sqlite' || isFull() ? 800 : 520
    await using world = await DeliveryWorld.start(engine)
    const people = await peopleOf(world)
    const [alice, bob, carol] = people as [Person, Person, Person]
    const room = (await world.engine.room(alice.userId)).id
    await world.join(room, bob.userId)
    await world.join(room, carol.userId)
    for (const person of people)
      person.alone = person.together = (await ask(world, person, 'ALONE', undefined)).next_batch
    const said = await Promise.all(Array.from({ length: count }, (_, i) => world.say(room, bob.userId, `m${i}`)))
    await setMarks(world.deps, carol.requester, room, [{ type: 'm.read', eventId: said[395] as EventId }])
    const unreadOf = (answer: Answer) =>
      (answer as unknown as { rooms?: { join: Record<RoomId, { unread_notifications: object }> } }).rooms?.join[room]
        ?.unread_notifications
    const alone: unknown[] = []
    for (const person of people) alone.push(unreadOf(await ask(world, person, 'ALONE', person.alone)))
    const together = await Promise.all(people.map((person) => ask(world, person, 'TOGETHER', person.together)))
    expect(together.map(unreadOf)).toEqual(alone)
    expect(alone.slice(0, 2)).toEqual([count, 0].map((n) => ({ notification_count: n, highlight_count: 0 })))
  })

  test('the failure of one is not that of the others', async () => {
    await using world = await DeliveryWorld.start(engine)
    const people = await peopleOf(world)
    const room = (await world.engine.room((people[0] as Person).userId)).id
    for (const { userId } of people.slice(1)) await world.join(room, userId)
    for (const person of people) person.together = (await ask(world, person, 'TOGETHER', undefined)).next_batch
    await world.say(room, (people[0] as Person).userId, 'to all')
    const of = world.deps.ignoredUsers.of.bind(world.deps.ignoredUsers)
    const failing = (people[2] as Person).requester.userNid
    const spy = vi
      .spyOn(world.deps.ignoredUsers, 'of')
      .mockImplementation((conn, nid) => (nid === failing ? Promise.reject(new Error('broken')) : of(conn, nid)))
    const answers = await Promise.allSettled(people.map((person) => ask(world, person, 'TOGETHER', person.together)))
    spy.mockRestore()
    for (const [index, answer] of answers.entries()) {
      if (index === 2) expect(answer.status).toBe('rejected')
      else expect(JSON.stringify(answer)).toContain('to all')
    }
  })
})

/** What the rules refuse did not happen; anything else is a fault. */
function isRefused(error: unknown): void {
  if (!(error instanceof Error) || !('errcode' in error)) throw error
}
