import { describe, expect, test } from 'vitest'
import type { ServerName } from '../../../src/protocol/ids.ts'
import { readEvents } from '../../../src/rooms/read-events.ts'
import { prepareForServer, readForServer } from '../../../src/rooms/read-for-server.ts'
import { readMembers, readRoomState } from '../../../src/rooms/state-view.ts'
import { readEvent } from '../../../src/rooms/timeline.ts'
import { listEventsByIds } from '../../../src/store/events.ts'
import { engines } from '../../support/store.ts'
import type { ReplyEvent } from '../../support/reply.ts'
import { ReadingWorld } from './world.ts'

async function start(engine: (typeof engines)[number], version = '11') {
  const world = await ReadingWorld.start(engine)
  const users = await Promise.all(['alice', 'bob', 'carol'].map((name) => world.engine.user(name)))
  const [alice, bob, carol] = users as [`@${string}:${string}`, `@${string}:${string}`, `@${string}:${string}`]
  const { id } = await world.engine.room(bob, { version })
  await world.member(id, alice, alice, 'join', { displayname: 'Alice Private', avatar_url: 'mxc://a.test/face' })
  return { world, alice, bob, carol, id }
}

describe.each(engines)('what an erased person wrote, on %s', (engine) => {
  test.each(['forget', 'redact'] as const)('P2, P3: who was there reads it, nobody new does (%s)', async (mode) => {
    const { world, alice, bob, carol, id } = await start(engine)
    await using _ = world
    const secret = await world.say(id, alice, 'alice wrote this')
    await world.say(id, bob, 'bob wrote this')
    await world.member(id, carol, carol, 'join')
    await world.erase(alice, mode)
    const [asBob, asCarol] = [await world.viewer(bob), await world.viewer(carol)]
    expect(await world.bodies(asBob, id)).toEqual(['alice wrote this', 'bob wrote this'])
    expect(await world.bodies(asCarol, id)).toEqual([undefined, 'bob wrote this'])
    expect(await world.bodies({ ...asBob, isAlwaysNew: true }, id)).toEqual([undefined, 'bob wrote this'])
    const { text } = await world.read((conn) => readEvent(world.deps, conn, asCarol, id, secret))
    const event = JSON.parse(text) as ReplyEvent
    expect(event.content).toEqual({})
    expect(event.unsigned.redacted_because).toMatchObject({ type: 'm.room.redaction', sender: alice, redacts: secret })
    await world.forget(bob, id)
    expect(await world.bodies(asBob, id)).toEqual([undefined, 'bob wrote this'])
  })

  test('P3: no name, no previous content, no edit and no thread gives it away', async () => {
    const { world, alice, bob, carol, id } = await start(engine)
    await using _ = world
    const first = await world.say(id, alice, 'alice one')
    await world.say(id, alice, '* alice two', {
      'm.new_content': { msgtype: 'm.text', body: 'alice two' },
      'm.relates_to': { rel_type: 'm.replace', event_id: first },
    })
    const root = await world.say(id, bob, 'a thread')
    await world.say(id, alice, 'alice three', { 'm.relates_to': { rel_type: 'm.thread', event_id: root } })
    await world.member(id, alice, alice, 'join', { displayname: 'Alice Later' })
    await world.member(id, alice, alice, 'leave', { reason: 'alice is off' })
    await world.member(id, carol, carol, 'join')
    await world.erase(alice)
    const asCarol = await world.viewer(carol)
    const page = await world.page(asCarol, id)
    const state = await world.read((conn) => readRoomState(world.deps, conn, asCarol, id))
    const members = await world.read((conn) => readMembers(world.deps, conn, asCarol, id, async () => 9))
    const all = [...page.chunk, ...state, ...members].map(({ text }) => text).join('\n')
    expect(all).not.toMatch(/alice (one|two|three|is off)|Alice (Private|Later)|a\.test\/face/)
    const thread = page.events.find(({ event_id: eventId }) => eventId === root)
    expect(thread?.unsigned['m.relations']['m.thread']).toMatchObject({ count: 1, latest_event: { content: {} } })
    expect(page.events.find(({ event_id: eventId }) => eventId === first)?.unsigned['m.relations']).toBeUndefined()
    // and who was there still has all of it
    const whole = (await world.page(await world.viewer(bob), id)).chunk.map(({ text }) => text).join()
    for (const words of ['alice one', 'alice two', 'alice three', 'Alice Private']) expect(whole).toContain(words)
  })

  test('P3: other servers get it pruned, and never the synthetic redaction', async () => {
    const { world, alice, bob, id } = await start(engine)
    await using _ = world
    const secret = await world.say(id, alice, 'alice wrote this')
    const levels = await world.send(id, bob, 'm.room.power_levels', { users: { [bob]: 100, [alice]: 100 } }, '')
    const acl = await world.send(
      id,
      alice,
      'm.room.server_acl',
      { allow: ['*'], deny: ['evil.test'], allow_ip_literals: false },
      '',
    )
    const topic = await world.send(id, alice, 'm.room.topic', { topic: 'kept while it is current' }, '')
    await world.erase(alice)
    const texts = await world.read(async (conn) => {
      const rows = await listEventsByIds(conn, [secret, levels, acl, topic])
      const nids = rows.map((row) => row.event_nid)
      const queued = await prepareForServer(world.deps, conn, nids)
      const room = await world.deps.roomCache.get(conn, id)
      return [...queued, ...(await readForServer(world.deps, conn, 'b.test' as ServerName, room, rows))]
    })
    expect(texts).toHaveLength(8)
    const all = texts.join()
    expect(all).not.toContain('alice wrote this')
    expect(all).not.toContain('redacted_because')
    expect(all.match(/evil\.test/g)).toHaveLength(2)
    expect(all.match(/kept while it is current/g)).toHaveLength(2)
    await world.send(id, bob, 'm.room.topic', { topic: 'another' }, '')
    const later = await world.read(async (conn) => {
      const rows = await listEventsByIds(conn, [topic])
      return prepareForServer(
        world.deps,
        conn,
        rows.map((row) => row.event_nid),
      )
    })
    expect(later.join()).not.toContain('kept while it is current')
  })

  test.each(['6', '10', '12'])(
    'a redaction by an erased person still names what it redacted (version %s)',
    async (version) => {
      const { world, alice, bob, carol, id } = await start(engine, version)
      await using _ = world
      const mine = await world.say(id, alice, 'alice wrote this')
      await world.engine.append(id, {
        type: 'm.room.redaction',
        content: { reason: 'alice says why' },
        sender: alice,
        redacts: mine,
      })
      await world.member(id, carol, carol, 'join')
      await world.erase(alice)
      const { events } = await world.page(await world.viewer(carol), id)
      const redaction = events.find(({ type }) => type === 'm.room.redaction')
      expect(redaction).toMatchObject({ redacts: mine })
      const redacted = events.find(({ event_id: eventId }) => eventId === mine)
      expect(redacted?.unsigned.redacted_because).toMatchObject({ event_id: redaction?.event_id })
      expect(JSON.stringify(events)).not.toMatch(/alice (says|wrote)/)
      expect(bob).toBeDefined()
    },
  )

  test('P4: what stays of an event is stripped in the federation format as well (event_format of a filter)', async () => {
    const { world, alice, carol, id } = await start(engine, '10')
    await using _ = world
    const mine = await world.say(id, alice, 'alice wrote this')
    const redaction = await world.engine.append(id, {
      type: 'm.room.redaction',
      content: { reason: 'alice says why' },
      sender: alice,
      redacts: mine,
    })
    await world.member(id, carol, carol, 'join')
    await world.erase(alice)
    const asCarol = await world.viewer(carol)
    for (const format of ['client', 'federation'] as const) {
      const [shown] = await world.read(async (conn) =>
        readEvents(
          world.deps,
          conn,
          asCarol,
          await world.deps.roomCache.get(conn, id),
          await listEventsByIds(conn, [redaction.eventId]),
          { format },
        ),
      )
      const event = JSON.parse(shown?.text ?? '') as ReplyEvent
      expect(event).toMatchObject({ type: 'm.room.redaction', redacts: mine })
      expect(shown?.text, format).not.toContain('alice says why')
      expect('hashes' in event).toBe(format === 'federation')
    }
  })

  test('P3: nobody new reads her name in what others said of her, before it is pruned at rest', async () => {
    const { world, alice, bob, carol, id } = await start(engine)
    await using _ = world
    const about = { displayname: 'Alice Private', avatar_url: 'mxc://a.test/face', reason: 'bob tells who she is' }
    const kick = await world.member(id, bob, alice, 'leave', about)
    const invite = await world.member(id, bob, alice, 'invite', about)
    await world.member(id, carol, carol, 'join')
    await world.erase(alice)
    const told = /Alice Private|a\.test\/face|tells who she is/
    const asCarol = await world.viewer(carol)
    const page = await world.page(asCarol, id)
    const state = await world.read((conn) => readRoomState(world.deps, conn, asCarol, id))
    const members = await world.read((conn) => readMembers(world.deps, conn, asCarol, id, async () => 99))
    expect([...page.chunk, ...state, ...members].map(({ text }) => text).join()).not.toMatch(told)
    const shown = page.events.find(({ event_id: eventId }) => eventId === kick)
    expect(shown).toMatchObject({ sender: bob, content: { membership: 'leave' } })
    expect(shown?.unsigned).not.toHaveProperty('redacted_because')
    const texts = await world.read(async (conn) => {
      const rows = await listEventsByIds(conn, [kick, invite])
      return prepareForServer(
        world.deps,
        conn,
        rows.map((row) => row.event_nid),
      )
    })
    expect(texts).toHaveLength(2)
    expect(texts.join()).not.toMatch(told)
    // whoever was there still reads it
    const whole = (await world.page(await world.viewer(bob), id)).chunk.map(({ text }) => text).join()
    expect(whole).toMatch(told)
  })

  test('a remote person who came back is read as anybody else from then on', async () => {
    const { world, alice, carol, id } = await start(engine)
    await using _ = world
    await world.member(id, carol, carol, 'join')
    await world.say(id, alice, 'old')
    const content = { msgtype: 'm.text', body: 'new' }
    await world.engine.append(id, {
      type: 'm.room.message',
      sender: alice,
      ts: world.deps.clock.now() + 60_000,
      content,
    })
    await world.erase(alice)
    const asNew = { ...(await world.viewer(carol)), isAlwaysNew: true }
    expect(await world.bodies(asNew, id)).toEqual([undefined, undefined])
    await world.comeBack(alice, world.deps.clock.now() + 30_000)
    expect(await world.bodies(asNew, id)).toEqual([undefined, 'new'])
  })
})
