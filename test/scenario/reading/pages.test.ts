import { describe, expect, test } from 'vitest'
import { parseRoomEventFilter } from '../../../src/protocol/filter.ts'
import type { EventId } from '../../../src/protocol/ids.ts'
import type { JsonObject } from '../../../src/protocol/json-types.ts'
import { readRelations, readThreads } from '../../../src/rooms/relations.ts'
import { oldestOrd, ordAt, readContext } from '../../../src/rooms/timeline.ts'
import { globalRoom, putAccountData } from '../../../src/store/account-data.ts'
import type { StreamVector } from '../../../src/store/database.ts'
import { findEventById } from '../../../src/store/events.ts'
import { insertRelation } from '../../../src/store/relations.ts'
import { readVector } from '../../../src/store/sync.ts'
import { engines } from '../../support/store.ts'
import { ReadingWorld } from './world.ts'
import type { ReplyEvent } from '../../support/reply.ts'

async function start(engine: (typeof engines)[number]) {
  const world = await ReadingWorld.start(engine)
  const alice = await world.engine.user('alice')
  const bob = await world.engine.user('bob')
  const { id } = await world.engine.room(alice)
  await world.member(id, bob, bob, 'join', { displayname: 'Bob' })
  return { world, alice, bob, id, asAlice: await world.viewer(alice), asBob: await world.viewer(bob) }
}

const relates = (relType: string, eventId: EventId, more = {}) => ({
  'm.relates_to': { rel_type: relType, event_id: eventId },
  ...more,
})

describe.each(engines)('pages of a room, on %s', (engine) => {
  test('clients get a redaction once it is applied, in rooms from version 3', async () => {
    for (const [version, isShown] of [
      ['2', true],
      ['11', false],
    ] as const) {
      await using world = await ReadingWorld.start(engine)
      const bob = await world.engine.user('bob')
      const { id } = await world.engine.room(bob, { version })
      const said = await world.say(id, bob, 'said')
      const redact = (redacts: EventId) =>
        world.engine.append(id, { type: 'm.room.redaction', content: {}, sender: bob, redacts })
      const waiting = (await redact('$not-here-yet:elsewhere' as EventId)).eventId
      const applied = (await redact(said)).eventId
      const shown = (await world.page(await world.viewer(bob), id)).events.map(({ event_id: eventId }) => eventId)
      expect(shown).toContain(applied)
      expect(shown.includes(waiting)).toBe(isShown)
    }
  })

  test.each([1, 3, 7, 50])('pages of %i give everything once, both ways, with any filter', async (limit) => {
    const { world, alice, bob, id, asBob } = await start(engine)
    await using _ = world
    for (let i = 0; i < 25; i++)
      await world.say(id, i % 3 === 0 ? alice : bob, `m${i}`, i % 5 === 0 ? { url: 'mxc://a.test/x' } : {})
    const walk = async (dir: 'b' | 'f', filter = {}) => {
      const ids: EventId[] = []
      let from: number | undefined
      for (let pages = 0; pages < 100; pages++) {
        const page = await world.page(asBob, id, { dir, limit, filter, ...(from === undefined ? {} : { from }) })
        expect(page.events.length).toBeLessThanOrEqual(limit)
        ids.push(...page.events.map(({ event_id: eventId }) => eventId))
        if (page.next === undefined) return ids
        from = page.next
      }
      throw new Error('it never ends')
    }
    const back = await walk('b')
    expect(back).toHaveLength(30)
    expect(new Set(back).size).toBe(30)
    expect(await walk('f')).toEqual(back.toReversed())
    expect(await walk('b', { types: ['m.room.message'] })).toHaveLength(25)
    expect(await walk('b', { senders: [alice], types: ['m.room.message'] })).toHaveLength(9)
    expect(await walk('f', { contains_url: true })).toHaveLength(5)
    expect(await walk('f', { types: ['nothing.like.it'] })).toEqual([])
  })

  test('a token of /sync is a place in the timeline, however old it is', async () => {
    const { world, alice, id } = await start(engine)
    await using _ = world
    const { nid } = await world.read((conn) => world.deps.roomCache.get(conn, id))
    const { id: other } = await world.engine.room(alice)
    const ordOf = async (eventId: EventId) => (await world.read((conn) => findEventById(conn, eventId)))?.ord
    const tokens: { readonly vector: StreamVector; readonly ord: number | null | undefined }[] = []
    for (let i = 0; i < 350; i++) {
      const said = await world.say(id, alice, `${i}`)
      if (i % 3 === 0) await world.say(other, alice, 'elsewhere')
      if (i % 25 === 0 || i === 349) tokens.push({ vector: await world.read(readVector), ord: await ordOf(said) })
    }
    for (const { vector, ord } of tokens) expect(await world.read((conn) => ordAt(conn, { nid }, vector))).toBe(ord)
    expect(await world.read((conn) => ordAt(conn, { nid }, new Map()))).toBe(oldestOrd)
  })

  test('lazy loading gives the members who sent the page', async () => {
    const { world, alice, bob, id, asAlice } = await start(engine)
    await using _ = world
    await world.say(id, bob, 'hello')
    const { state } = await world.page(asAlice, id, { limit: 1, filter: { lazy_load_members: true } })
    expect(state.map(({ text }) => JSON.parse(text) as unknown)).toMatchObject([
      { type: 'm.room.member', state_key: bob, content: { displayname: 'Bob' } },
    ])
    // forwards the newest event of a page is its last
    const whole = await world.page(asAlice, id, { dir: 'f', limit: 50, filter: { lazy_load_members: true } })
    expect(whole.state.map(({ text }) => (JSON.parse(text) as ReplyEvent).state_key)).toEqual(
      expect.arrayContaining([alice, bob]),
    )
  })

  test('messages of the ignored are left out, their state is not', async () => {
    const { world, alice, bob, id, asAlice } = await start(engine)
    await using _ = world
    const root = await world.say(id, alice, 'root')
    await world.say(id, bob, 'unwanted', relates('m.thread', root))
    await world.engine.database.write((tx) =>
      putAccountData(tx, {
        userNid: asAlice.userNid,
        roomNid: globalRoom,
        type: 'm.ignored_user_list',
        content: JSON.stringify({ ignored_users: { [bob]: {} } }),
      }),
    )
    const { events } = await world.page(asAlice, id)
    expect(JSON.stringify(events)).not.toContain('unwanted')
    expect(events.some(({ sender, type }) => sender === bob && type === 'm.room.member')).toBe(true)
    expect(events.find(({ event_id: eventId }) => eventId === root)?.unsigned['m.relations']).toBeUndefined()
  })

  test('the context of an event: so many around it, the state after the last of them', async () => {
    const { world, alice, id, asBob } = await start(engine)
    await using _ = world
    const ids: EventId[] = []
    for (let i = 0; i < 10; i++) ids.push(await world.say(id, alice, `${i}`))
    await world.send(id, alice, 'm.room.name', { name: 'later' }, '')
    const read = (limit: number) =>
      world.read((conn) =>
        readContext(world.deps, conn, asBob, id, ids[5] as EventId, { limit, filter: parseRoomEventFilter({}) }),
      )
    const found = await read(5)
    expect(found.before.map(({ row }) => row.event_id)).toEqual([ids[4], ids[3], ids[2]])
    expect(found.after.map(({ row }) => row.event_id)).toEqual([ids[6], ids[7]])
    expect(found.state.map(({ row }) => row.type)).not.toContain('m.room.name')
    expect((await read(20)).state.map(({ row }) => row.type)).toContain('m.room.name')
    const alone = await read(0)
    expect([alone.before, alone.after]).toEqual([[], []])
    const older = await world.page(asBob, id, { from: Number(found.start.slice(1)), limit: 1 })
    expect(older.events[0]?.event_id).toBe(ids[1])
    const newer = await world.page(asBob, id, { dir: 'f', from: Number(found.end.slice(1)), limit: 1 })
    expect(newer.events[0]?.event_id).toBe(ids[8])
  })

  test('the filter of a context holds for its state; lazy loading leaves out only members', async () => {
    const { world, alice, bob, id, asBob } = await start(engine)
    await using _ = world
    const said = await world.say(id, alice, 'hello')
    const state = (filter: JsonObject) =>
      world.read(async (conn) => {
        const options = { limit: 0, filter: parseRoomEventFilter(filter) }
        const found = await readContext(world.deps, conn, asBob, id, said, options)
        return found.state.map(({ text }) => JSON.parse(text) as ReplyEvent)
      })
    const members = (events: ReplyEvent[]) => events.filter(({ type }) => type === 'm.room.member')
    const [whole, lazy] = [await state({}), await state({ lazy_load_members: true })]
    expect(members(whole).map(({ state_key: who }) => who)).toEqual(expect.arrayContaining([alice, bob]))
    expect(members(lazy).map(({ state_key: who }) => who)).toEqual([alice])
    expect(lazy.length - 1).toBe(whole.length - members(whole).length)
    expect((await state({ types: ['m.room.create'] })).map(({ type }) => type)).toEqual(['m.room.create'])
  })

  test('bundled: the newest valid edit, a thread, references; nothing of another room', async () => {
    const { world, alice, bob, id, asBob } = await start(engine)
    await using _ = world
    const root = await world.say(id, alice, 'root')
    const edit = (body: string, ts: number, sender = alice) =>
      world.engine.append(id, {
        type: 'm.room.message',
        sender,
        ts,
        content: {
          msgtype: 'm.text',
          body,
          'm.new_content': { msgtype: 'm.text', body },
          ...relates('m.replace', root),
        },
      })
    const now = world.deps.clock.now()
    await edit('newest', now + 2000)
    await edit('older, arrived later', now + 1000)
    await edit('not by the author', now + 9000, bob)
    await world.say(id, alice, 'no new content', relates('m.replace', root))
    const reply = await world.say(id, bob, 'in the thread', relates('m.thread', root))
    const reference = await world.send(id, bob, 'org.example.ref', relates('m.reference', root))
    const { id: other } = await world.engine.room(alice)
    await world.say(other, alice, 'from elsewhere', relates('m.thread', root))
    await world.send(other, alice, 'org.example.ref', relates('m.reference', root))
    const { events } = await world.page(asBob, id)
    const bundle = events.find(({ event_id: eventId }) => eventId === root)?.unsigned['m.relations']
    expect(bundle?.['m.replace'].content.body).toBe('newest')
    expect(bundle?.['m.thread']).toMatchObject({
      count: 1,
      current_user_participated: true,
      latest_event: { event_id: reply },
    })
    expect(bundle?.['m.reference']).toEqual({ chunk: [{ event_id: reference }] })
    expect(JSON.stringify(events)).not.toContain('from elsewhere')
  })

  test('threads that name each other end', async () => {
    const { world, alice, id, asBob } = await start(engine)
    await using _ = world
    const one = await world.say(id, alice, 'one')
    const two = await world.say(id, alice, 'two', relates('m.thread', one))
    const room = await world.engine.current(id)
    await world.engine.database.write(async (tx) => {
      const rows = (await world.page(asBob, id)).chunk
      const nid = rows.find(({ row }) => row.event_id === one)?.row.event_nid as number
      await insertRelation(tx, {
        eventNid: nid,
        roomNid: room.nid,
        parent: two,
        relType: 'm.thread',
        key: null,
        senderNid: asBob.userNid,
      })
    })
    const { events } = await world.page(asBob, id)
    expect(
      events.find(({ event_id: eventId }) => eventId === one)?.unsigned['m.relations']['m.thread'].latest_event
        .event_id,
    ).toBe(two)
  })

  test('relations: by type, page by page, and what relates to what relates', async () => {
    const { world, alice, bob, id, asBob } = await start(engine)
    await using _ = world
    const root = await world.say(id, alice, 'root')
    const replies: EventId[] = []
    for (let i = 0; i < 5; i++) replies.push(await world.say(id, bob, `${i}`, relates('m.thread', root)))
    const reaction = await world.send(id, alice, 'm.reaction', {
      'm.relates_to': { rel_type: 'm.annotation', event_id: replies[0] as EventId, key: 'x' },
    })
    const plain = {
      eventId: root,
      relType: undefined,
      eventType: undefined,
      direction: 'b',
      from: undefined,
      to: undefined,
      limit: 3,
      recurse: false,
    } as const
    const ask = (more: object) =>
      world.read((conn) => readRelations(world.deps, conn, asBob, id, { ...plain, ...more }))
    const first = await ask({ relType: 'm.thread' })
    expect(first.chunk.map(({ row }) => row.event_id)).toEqual([replies[4], replies[3], replies[2]])
    const second = await ask({ from: Number(first.next?.slice(1)) })
    expect(second.chunk.map(({ row }) => row.event_id)).toEqual([replies[1], replies[0]])
    expect(second.next).toBeUndefined()
    expect((await ask({ direction: 'f', limit: 2 })).chunk.map(({ row }) => row.event_id)).toEqual([
      replies[0],
      replies[1],
    ])
    expect((await ask({ relType: 'm.annotation' })).chunk).toEqual([])
    const deep = await ask({ recurse: true, limit: 10 })
    expect(deep.chunk[0]?.row.event_id).toBe(reaction)
    expect(deep.chunk).toHaveLength(6)
    expect(deep.depth).toBe(3)
  })

  test('threads, the newest first, all or those one wrote in', async () => {
    const { world, alice, bob, id, asBob } = await start(engine)
    await using _ = world
    const [one, two, three] = [
      await world.say(id, alice, 'one'),
      await world.say(id, alice, 'two'),
      await world.say(id, bob, 'three'),
    ]
    await world.say(id, alice, 'r', relates('m.thread', three))
    await world.say(id, bob, 'r', relates('m.thread', one))
    await world.say(id, alice, 'r', relates('m.thread', two))
    const ask = async (participated: boolean, limit = 10, from?: number) => {
      const at = from === undefined ? undefined : async () => from
      const { chunk, next } = await world.read((conn) =>
        readThreads(world.deps, conn, asBob, id, { participated, limit, from: at }),
      )
      return { ids: chunk.map(({ row }) => row.event_id), next }
    }
    expect((await ask(false)).ids).toEqual([two, one, three])
    expect((await ask(true)).ids).toEqual([one, three])
    const first = await ask(false, 2)
    expect(first.ids).toEqual([two, one])
    expect((await ask(false, 2, Number(first.next?.slice(1)))).ids).toEqual([three])
  })
})
