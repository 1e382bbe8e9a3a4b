import { afterAll, beforeAll, expect, test } from 'vitest'
import { listStagedRooms } from '../../src/store/staged.ts'
import { readCopy } from '../support/world/rows.ts'
import { makeTemplate } from '../support/world/template.ts'
import { World, makeFolder } from '../support/world/world.ts'
import type { Template } from '../support/world/world.ts'

const part = encodeURIComponent
const [a, b, c] = ['a.test:1', 'b.test:2', 'c.test:3']
const folder = makeFolder()
let template: Template

beforeAll(async () => {
  template = await makeTemplate(3)
}, 60_000)

afterAll(() => {
  World.remove(template.folder)
  World.remove(folder)
})

/**
 * A begun world in which `a` has said things of which the last alone came to `b`, as to a server that has lost what it was
 * sent. `b` cannot ask `a` now, and the others only if `isOtherThere`.
 */
async function worldWithGap(label: string, isOtherThere: boolean) {
  const world = new World(label, folder)
  await world.begin(template)
  const room = template.rooms[1]?.id as string
  const anne = world.person(`@anne:${a}`)
  const said: string[] = []
  const say = async () => {
    const path = `/rooms/${part(room)}/send/m.room.message/t${said.length}`
    said.push((await anne.ok('PUT', path, { msgtype: 'm.text', body: `${said.length}` })).event_id as string)
    await world.time.run(1_000)
  }
  world.network.answerFor = ({ url }) => (isSent(url) ? answer(200, { pdus: {} }) : undefined)
  for (let left = 8; left > 0; left--) await say()
  world.network.answerFor = ({ url }) => (isAsked(url) && url.includes(a) ? answer(502, {}) : undefined)
  if (!isOtherThere) world.network.cut(b, c, 'refuse')
  await say()
  return { world, room, said }
}

const isSent = (url: string) => url.startsWith(`https://${b}/_matrix/federation/v1/send/`)
const isAsked = (url: string) => /\/(get_missing_events|state|state_ids|event_auth|event)\//.test(url)

const answer = (status: number, body: object) => ({ status, headers: {}, body: JSON.stringify(body) })

/** Everybody can be asked again. */
function heal(world: World): void {
  world.network.mend()
  world.network.answerFor = () => undefined
}

const has = async (world: World, name: string, room: string, said: readonly string[]): Promise<string[]> => {
  const copy = await readCopy(world.server(name), room)
  return said.filter((id) => copy?.events.get(id)?.ord != null)
}

const waiting = (world: World): Promise<string[]> => world.server(b).composed.deps.database.read(listStagedRooms)

test('events before one that came are asked for again, in a quiet room, once their origin can be asked', async () => {
  const { world, room, said } = await worldWithGap('quiet room', false)
  await using _ = world
  expect(await world.time.run(120_000, async () => (await waiting(world)).length > 0)).toBe(true)
  expect(await has(world, b, room, said)).toEqual([])
  const sent = world.network.log.length
  heal(world)
  expect(await world.time.run(90_000, async () => (await has(world, b, room, said)).length === said.length)).toBe(true)
  await world.settle()
  expect(await waiting(world)).toEqual([])
  expect(
    world.network.log.slice(sent).some((line) => line.includes(`${b} -> POST`) && line.includes('get_missing_events')),
  ).toBe(true)
  expect(world.faults).toEqual([])
})

test('they are asked for after a restart, too', async () => {
  const { world, room, said } = await worldWithGap('restart', false)
  await using _ = world
  expect(await world.time.run(120_000, async () => (await waiting(world)).length > 0)).toBe(true)
  await world.time.run(2_000)
  world.server(b).crash('power')
  // what a still has to send is nothing that b has not had
  await world.time.run(5_000)
  world.restart(world.server(b))
  await world.time.run(5_000)
  expect(await has(world, b, room, said)).toEqual([])
  expect(await waiting(world)).toEqual([room])
  heal(world)
  expect(await world.time.run(90_000, async () => (await has(world, b, room, said)).length === said.length)).toBe(true)
  expect(world.faults).toEqual([])
})

test('another server of the room gives them while their origin is away', async () => {
  const { world, room, said } = await worldWithGap('another server', true)
  await using _ = world
  expect(await world.time.run(200_000, async () => (await has(world, b, room, said)).length === said.length)).toBe(true)
  expect(
    world.network.log.some((line) => line.includes(`${b} -> POST https://${c}`) && line.includes('get_missing_events')),
  ).toBe(true)
  expect(world.faults).toEqual([])
})

test('what nobody has is given up when everybody has answered', async () => {
  const { world } = await worldWithGap('given up', true)
  await using _ = world
  world.network.answerFor = ({ url }) => (isAsked(url) ? answer(403, { errcode: 'M_FORBIDDEN' }) : undefined)
  expect(await world.time.run(1_000, async () => (await waiting(world)).length > 0)).toBe(true)
  expect(await world.time.run(600_000, async () => (await waiting(world)).length === 0)).toBe(true)
  expect(world.faults).toEqual([])
})
