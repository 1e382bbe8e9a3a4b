import { describe, expect, test, vi } from 'vitest'
import { setMarks } from '../../../src/delivery/receipts.ts'
import { SharedSections } from '../../../src/delivery/sync/shared-sections.ts'
import { setTyping } from '../../../src/delivery/typing.ts'
import type { EventId, RoomId } from '../../../src/protocol/ids.ts'
import { putAccountData } from '../../../src/store/account-data.ts'
import { isFull, scale, seed } from '../../support/scale.ts'
import { Seeded } from '../../support/seeded.ts'
import { engines } from '../../support/store.ts'
import { DeliveryWorld } from './delivery-world.ts'
import { Life, ask, askText, erase, isRefused, ordered, peopleOf } from './life.ts'
import type { Answer, Person, Section } from './life.ts'

describe.each(engines)('readers who are answered together, on %s', (engine) => {
  test('each gets exactly what they would get alone', async () => {
    const found = vi.spyOn(SharedSections.prototype, 'find')
    let shared = 0
    for (let run = 0; run < scale(2, 20); run++) {
      const from = seed(90_000) + run
      await using world = await DeliveryWorld.start(engine)
      const random = new Seeded(from)
      const people = await peopleOf(world, 1 + (run % 3))
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
        for (const { value } of found.mock.settledResults) if (value !== undefined) shared++
        found.mockClear()
        for (const [index, person] of readers.entries()) {
          const [one, other] = [alone[index] as Answer, together[index] as Answer]
          expect(ordered(other), `seed ${from}, round ${round}, ${person.userId}`).toEqual(ordered(one))
          person.alone = one.next_batch
          person.together = other.next_batch
        }
      }
    }
    found.mockRestore()
    expect(shared).toBeGreaterThan(scale(5, 50))
  })

  test('readers who are alike share what a room has to show; whoever is not gets their own', async () => {
    await using world = await DeliveryWorld.start(engine)
    const people = await peopleOf(world, 1)
    const [alice, bob, carol, dave, erin, frank] = people as [Person, Person, Person, Person, Person, Person]
    const room = (await world.engine.room(alice.userId)).id
    for (const { userId } of [bob, carol, dave, erin, frank]) await world.join(room, userId)
    await world.send(room, erin.userId, 'm.room.member', { membership: 'leave' }, erin.userId)
    await world.join(room, erin.userId)
    const lazy = { room: { state: { lazy_load_members: true } } }
    const readers: Person[] = [...people, ...[bob, carol, dave].map((person) => ({ ...person, filter: lazy }))]
    const places = readers.map(() => ({ ALONE: '', TOGETHER: '' }))
    let rounds = 0
    const askAs = async (kind: 'ALONE' | 'TOGETHER', index: number) => {
      // of one of the lazy readers nobody knows what they have been sent
      const device = index === 7 ? `${kind} ${rounds}` : `${kind} ${index}`
      const place = places[index] as (typeof places)[number]
      const answer = await ask(world, readers[index] as Person, device, place[kind] || undefined)
      place[kind] = answer.next_batch
      return ordered(answer)
    }
    const counts: number[] = []
    const round = async () => {
      const alone: object[] = []
      for (const index of readers.keys()) alone.push(await askAs('ALONE', index))
      const found = vi.spyOn(SharedSections.prototype, 'find')
      const together = await Promise.all(readers.map((_, index) => askAs('TOGETHER', index)))
      counts.push(found.mock.settledResults.filter(({ value }) => value !== undefined).length)
      found.mockRestore()
      expect(together, `round ${rounds}`).toEqual(alone)
      rounds++
    }
    await round()
    const said = await world.say(room, alice.userId, 'first')
    await round()
    // somebody's receipt is news of the room, and moves that user's counts for good
    await setMarks(world.deps, dave.requester, room, [{ type: 'm.read.private', eventId: said }])
    await world.say(room, alice.userId, 'second')
    await round()
    await world.say(room, alice.userId, 'third')
    await round()
    // what replies to a message is bundled with it, as each reader sees it
    const root = await world.say(room, bob.userId, 'root')
    await world.say(room, carol.userId, 'reply', { 'm.relates_to': { rel_type: 'm.thread', event_id: root } })
    await round()
    await world.send(room, alice.userId, 'm.room.topic', { topic: 'of all' }, '')
    await round()
    // one has an item of their own in the room, one ignores who writes
    const put = async ({ requester: { userNid } }: Person, roomNid: number, type: string, content: object) =>
      world.deps.database.write(async (tx) => {
        await putAccountData(tx, { userNid, roomNid, type, content: JSON.stringify(content) })
        tx.afterCommit(() => world.deps.changes.announce({ userNids: [userNid] }))
      })
    await put(frank, 0, 'm.ignored_user_list', { ignored_users: { [alice.userId]: {} } })
    await round()
    const { nid } = await world.deps.database.read((conn) => world.deps.roomCache.get(conn, room))
    await put(erin, nid, 'own.data', { n: 1 })
    await world.say(room, alice.userId, 'fourth')
    await round()
    // those who did not write it, but for the first of each kind, and without the one who is sent members again
    expect(counts).toEqual([0, 5, 0, 5, 0, 0, 0, 3])
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

  test('what an erased person wrote: whole for who was there, pruned for who came later', async () => {
    await using world = await DeliveryWorld.start(engine)
    const people = await peopleOf(world)
    const [alice, bob, carol, dave, erin, frank] = people as [Person, Person, Person, Person, Person, Person]
    const room = (await world.engine.room(alice.userId)).id
    const other = (await world.engine.room(alice.userId)).id
    for (const { userId } of [bob, carol, dave]) await world.join(room, userId)
    for (const { userId } of [bob, carol, dave, erin, frank]) await world.join(other, userId)
    for (const person of people) person.together = (await ask(world, person, 'TOGETHER', undefined)).next_batch
    const words = await world.say(room, carol.userId, 'of carol')
    await world.say(other, bob.userId, 'of bob')
    await setMarks(world.deps, carol.requester, room, [{ type: 'm.read', eventId: words }])
    await setTyping(world.deps, carol.requester, room, { isTyping: true })
    await erase(world, carol)
    for (const { userId } of [erin, frank]) await world.join(room, userId)
    const readers = [alice, bob, dave, erin, frank]
    const answers = await Promise.all(readers.map((person) => ask(world, person, 'TOGETHER', person.together)))
    const seen = answers.map((answer) => {
      const { join } = (answer as unknown as { rooms: { join: Record<RoomId, Section> } }).rooms
      const of = (id: RoomId) => (join[id] as Section).timeline.events.flatMap(({ content }) => content.body ?? [])
      const ephemeral = JSON.stringify((join[room] as Section).ephemeral.events)
      return [of(room), of(other), ephemeral.includes(carol.userId)]
    })
    const whole = [['of carol'], ['of bob'], false]
    const pruned = [[], ['of bob'], false]
    expect(seen).toEqual([whole, whole, whole, pruned, pruned])
    world.deps.typing.stop()
  })

  test('what an erased person wrote is pruned for a guest who was there, whoever else reads', async () => {
    await using world = await DeliveryWorld.start(engine)
    const [alice, bob, carol, dave] = (await peopleOf(world, 1)) as [Person, Person, Person, Person]
    const room = (await world.engine.room(alice.userId)).id
    for (const { userId } of [bob, carol, dave]) await world.join(room, userId)
    const guest: Person = { ...bob, requester: { ...bob.requester, kind: 'guest' } }
    const readers = [alice, guest, dave]
    for (const person of readers) person.together = (await ask(world, person, 'TOGETHER', undefined)).next_batch
    await world.say(room, carol.userId, 'of carol')
    await erase(world, carol)
    const texts = await Promise.all(readers.map((person) => askText(world, person, 'TOGETHER', person.together)))
    expect(texts.map((text) => text.includes('of carol'))).toEqual([true, false, true])
  })

  test('what was made before somebody was erased is not shared after it', async () => {
    await using world = await DeliveryWorld.start(engine)
    const [alice, bob, carol, dave, erin] = (await peopleOf(world, 1)) as [Person, Person, Person, Person, Person]
    const room = (await world.engine.room(alice.userId)).id
    const readers = [bob, carol, dave, erin]
    for (const { userId } of readers) await world.join(room, userId)
    for (const person of readers) person.together = (await ask(world, person, 'TOGETHER', undefined)).next_batch
    await world.say(room, alice.userId, 'words')
    const { version } = world.deps.erased
    let erasures = 0
    const moved = vi.spyOn(world.deps.erased, 'version', 'get').mockImplementation(() => version + erasures)
    // the first reader's section is kept, then somebody is erased
    const { keep } = SharedSections.prototype
    const keeping = vi.spyOn(SharedSections.prototype, 'keep').mockImplementation(function (
      this: SharedSections,
      ...section
    ) {
      keep.apply(this, section)
      erasures = 1
    })
    const found = vi.spyOn(SharedSections.prototype, 'find')
    const texts = await Promise.all(readers.map((person) => askText(world, person, 'TOGETHER', person.together)))
    const shared = found.mock.settledResults.map(({ value }) => value !== undefined)
    for (const spy of [moved, keeping, found]) spy.mockRestore()
    expect(texts.every((text) => text.includes('words'))).toBe(true)
    expect(shared).toEqual([false, false, true, true])
  })

  test('who are behind differently, in rooms with as many events', async () => {
    await using world = await DeliveryWorld.start(engine)
    const people = await peopleOf(world)
    const [alice, bob, , dave, erin] = people as [Person, Person, Person, Person, Person]
    const rooms: RoomId[] = []
    for (const { userId } of [alice, alice]) rooms.push((await world.engine.room(userId)).id)
    const [room, other] = rooms as [RoomId, RoomId]
    for (const { userId } of [bob, dave, erin]) for (const id of rooms) await world.join(id, userId)
    const words = await world.say(room, alice.userId, 'words')
    for (const person of [alice, bob]) person.together = (await ask(world, person, 'TOGETHER', undefined)).next_batch
    await setMarks(world.deps, dave.requester, room, [{ type: 'm.read', eventId: words }])
    alice.together = (await ask(world, alice, 'TOGETHER', alice.together)).next_batch
    await setMarks(world.deps, erin.requester, room, [{ type: 'm.read', eventId: words }])
    const to = (id: EventId, relType: string) => ({ 'm.relates_to': { rel_type: relType, event_id: id } })
    await world.say(room, dave.userId, 'about it', to(await world.say(room, dave.userId, 'said'), 'm.reference'))
    const before = await world.say(other, dave.userId, 'before')
    const edited = { 'm.new_content': { msgtype: 'm.text', body: 'after' } }
    await world.say(other, dave.userId, '* after', { ...to(before, 'm.replace'), ...edited })
    const readers = [alice, bob]
    const answers = await Promise.all(readers.map((person) => ask(world, person, 'TOGETHER', person.together)))
    const seen = answers.map((answer) => {
      const { join } = (answer as unknown as { rooms: { join: Record<RoomId, Section> } }).rooms
      const receipts = JSON.stringify((join[room] as Section).ephemeral.events)
      const kinds = rooms.map((id) => /"m\.relations":\{"([a-z.]+)/.exec(JSON.stringify(join[id]))?.[1])
      return [receipts.includes(dave.userId), receipts.includes(erin.userId), ...kinds]
    })
    expect(seen).toEqual([
      [false, true, 'm.reference', 'm.replace'],
      [true, true, 'm.reference', 'm.replace'],
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
