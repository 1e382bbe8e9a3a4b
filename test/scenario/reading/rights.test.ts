import { describe, expect, test } from 'vitest'
import { parseRoomEventFilter } from '../../../src/protocol/filter.ts'
import type { EventId } from '../../../src/protocol/ids.ts'
import { readJoinedMembers } from '../../../src/rooms/joined.ts'
import { readRelations, readThreads } from '../../../src/rooms/relations.ts'
import { readMembers, readRoomState, readStateEvent } from '../../../src/rooms/state-view.ts'
import { readContext, readEvent } from '../../../src/rooms/timeline.ts'
import type { UserViewer } from '../../../src/rooms/viewer.ts'
import type { Conn } from '../../../src/store/database.ts'
import { engines } from '../../support/store.ts'
import { ReadingWorld } from './world.ts'

/** A room in which each kind of person stands, with a message before, during and after the time of those who were there. */
async function makeRoom(world: ReadingWorld, visibility: string) {
  const { engine } = world
  const names = ['alice', 'stranger', 'invited', 'left', 'banned', 'forgot', 'late'] as const
  const [alice, stranger, invited, left, banned, forgot, late] = await Promise.all(
    names.map((name) => engine.user(name)),
  )
  if (!alice || !stranger || !invited || !left || !banned || !forgot || !late) throw new Error('no users')
  const { id } = await engine.room(alice)
  await world.send(id, alice, 'm.room.history_visibility', { history_visibility: visibility }, '')
  const before = await world.say(id, alice, 'before')
  for (const user of [left, banned, forgot]) await world.member(id, user, user, 'join')
  const during = await world.say(id, alice, 'during')
  await world.member(id, left, left, 'leave')
  await world.member(id, alice, banned, 'ban')
  await world.member(id, forgot, forgot, 'leave')
  await world.forget(forgot, id)
  await world.member(id, alice, invited, 'invite')
  await world.send(id, alice, 'm.room.topic', { topic: 'secret topic' }, '')
  const after = await world.say(id, alice, 'after')
  await world.member(id, late, late, 'join')
  await world.say(id, alice, 'last')
  const viewers: Record<string, UserViewer> = {}
  for (const [name, user] of Object.entries({ alice, stranger, invited, left, banned, forgot, late }))
    viewers[name] = await world.viewer(user)
  return { id, before, during, after, viewers }
}

const expected: Record<string, Record<string, readonly string[] | 'M_FORBIDDEN'>> = {
  shared: {
    alice: ['before', 'during', 'after', 'last'],
    stranger: 'M_FORBIDDEN',
    invited: 'M_FORBIDDEN',
    left: ['before', 'during'],
    banned: ['before', 'during'],
    forgot: 'M_FORBIDDEN',
    late: ['before', 'during', 'after', 'last'],
  },
  joined: {
    alice: ['before', 'during', 'after', 'last'],
    stranger: 'M_FORBIDDEN',
    invited: 'M_FORBIDDEN',
    left: ['during'],
    banned: ['during'],
    forgot: 'M_FORBIDDEN',
    late: ['last'],
  },
  invited: {
    alice: ['before', 'during', 'after', 'last'],
    stranger: 'M_FORBIDDEN',
    invited: 'M_FORBIDDEN',
    left: ['during'],
    banned: ['during'],
    forgot: 'M_FORBIDDEN',
    late: ['last'],
  },
  world_readable: {
    alice: ['before', 'during', 'after', 'last'],
    stranger: ['before', 'during', 'after', 'last'],
    invited: ['before', 'during', 'after', 'last'],
    left: ['before', 'during', 'after', 'last'],
    banned: ['before', 'during', 'after', 'last'],
    forgot: ['before', 'during', 'after', 'last'],
    late: ['before', 'during', 'after', 'last'],
  },
}

const outcome = async (work: Promise<unknown>): Promise<unknown> =>
  work.then(
    () => 'ok',
    (error: { errcode: string }) => error.errcode,
  )
const filter = parseRoomEventFilter({})

describe.each(engines)('who may read what, on %s', (engine) => {
  test.each(Object.keys(expected))('history visibility %s', async (visibility) => {
    await using world = await ReadingWorld.start(engine)
    const { id, viewers, before, during, after } = await makeRoom(world, visibility)
    const messages = { before, during, after }
    for (const [name, bodies] of Object.entries(expected[visibility] ?? {})) {
      const viewer = viewers[name] as UserViewer
      if (bodies === 'M_FORBIDDEN') expect(await outcome(world.bodies(viewer, id)), `${name}: messages`).toBe(bodies)
      else expect(await world.bodies(viewer, id), `${name}: messages`).toEqual(bodies)
      const asks: Record<string, (conn: Conn) => Promise<unknown>> = {
        state: (conn) => readRoomState(world.deps, conn, viewer, id),
        topic: (conn) => readStateEvent(world.deps, conn, viewer, id, { type: 'm.room.power_levels', stateKey: '' }),
        members: (conn) => readMembers(world.deps, conn, viewer, id, undefined),
        threads: (conn) =>
          readThreads(world.deps, conn, viewer, id, { participated: false, from: undefined, limit: 10 }),
      }
      for (const [what, ask] of Object.entries(asks))
        expect(await outcome(world.read(ask)), `${name}: ${what}`).toBe(bodies === 'M_FORBIDDEN' ? bodies : 'ok')
      const isJoined = name === 'alice' || name === 'late'
      expect(
        await outcome(world.read((conn) => readJoinedMembers(world.deps, conn, viewer, id))),
        `${name}: joined members`,
      ).toBe(isJoined ? 'ok' : 'M_FORBIDDEN')
      for (const [body, eventId] of Object.entries(messages)) {
        const may = bodies !== 'M_FORBIDDEN' && bodies.includes(body)
        const which = `${name}: ${body}`
        expect(await outcome(world.read((conn) => readEvent(world.deps, conn, viewer, id, eventId))), which).toBe(
          may ? 'ok' : 'M_NOT_FOUND',
        )
        const refusal = bodies === 'M_FORBIDDEN' ? 'M_FORBIDDEN' : 'M_NOT_FOUND'
        expect(
          await outcome(world.read((conn) => readContext(world.deps, conn, viewer, id, eventId, { limit: 5, filter }))),
          which,
        ).toBe(may ? 'ok' : refusal)
        expect(
          await outcome(world.read((conn) => readRelations(world.deps, conn, viewer, id, relationsOf(eventId)))),
          which,
        ).toBe(may ? 'ok' : refusal)
      }
    }
  })

  test('who left sees the state of that moment, and not what came later', async () => {
    await using world = await ReadingWorld.start(engine)
    const { id, viewers } = await makeRoom(world, 'shared')
    for (const name of ['left', 'banned']) {
      const texts = (await world.read((conn) => readRoomState(world.deps, conn, viewers[name] as UserViewer, id)))
        .map(({ text }) => text)
        .join()
      expect(texts, name).not.toContain('secret topic')
      const members = (
        await world.read((conn) => readMembers(world.deps, conn, viewers[name] as UserViewer, id, undefined))
      ).map(({ text }) => text)
      expect(members.join(), name).not.toContain('@late:')
      // a place in the timeline of after the leave gives no more than the leave
      const later = await world.read((conn) =>
        readMembers(world.deps, conn, viewers[name] as UserViewer, id, async () => 1_000_000),
      )
      expect(later.map(({ text }) => text).join(), name).not.toContain('@late:')
    }
  })

  test('members at a place before one could see the room are those of when one came', async () => {
    await using world = await ReadingWorld.start(engine)
    const { id, viewers } = await makeRoom(world, 'joined')
    const at = (ord: number) =>
      world.read((conn) => readMembers(world.deps, conn, viewers['late'] as UserViewer, id, async () => ord))
    const [ban, late] = ['"membership":"ban"', '@late:']
    // 6 is the first message, which `late` may not see: told are the members of when `late` came
    const early = (await at(6)).map(({ text }) => text).join()
    expect(early).toContain('@invited:')
    expect(early).toContain(ban)
    expect(early).not.toContain(late)
    const newest = (await at(1_000_000)).map(({ text }) => text).join()
    expect(newest).toContain(late)
  })

  test('an event of another room is not found by way of this one', async () => {
    await using world = await ReadingWorld.start(engine)
    const { id, viewers } = await makeRoom(world, 'world_readable')
    const alice = viewers['alice'] as UserViewer
    const { id: other } = await world.engine.room(alice.userId)
    const secret = await world.say(other, alice.userId, 'elsewhere')
    const stranger = viewers['stranger'] as UserViewer
    for (const viewer of [alice, stranger]) {
      expect(await outcome(world.read((conn) => readEvent(world.deps, conn, viewer, id, secret)))).toBe('M_NOT_FOUND')
      expect(
        await outcome(world.read((conn) => readContext(world.deps, conn, viewer, id, secret, { limit: 1, filter }))),
      ).toBe('M_NOT_FOUND')
      expect(
        await outcome(world.read((conn) => readRelations(world.deps, conn, viewer, id, relationsOf(secret)))),
      ).toBe('M_NOT_FOUND')
    }
    expect(await outcome(world.bodies(stranger, '!unknown:a.test'))).toBe('M_FORBIDDEN')
    expect(await outcome(world.bodies(stranger, other))).toBe('M_FORBIDDEN')
  })
})

function relationsOf(eventId: EventId) {
  return {
    eventId,
    relType: undefined,
    eventType: undefined,
    direction: 'b',
    from: undefined,
    to: undefined,
    limit: 10,
    recurse: false,
  } as const
}
