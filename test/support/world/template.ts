import { join } from 'node:path'
import { readCopy, timelineOf } from './rows.ts'
import { World, makeFolder } from './world.ts'
import type { Template, TemplateRoom } from './world.ts'

const part = encodeURIComponent
const names = ['a.test:1', 'b.test:2', 'c.test:3', 'd.test:4']

/** Versions of the rooms of a template: state resolution 2 with three forms of events, and 2.1. */
const versions = ['4', '10', '11', '12']

/**
 * Servers with two users each, all of them in rooms that the first has made: the first user of every other server has some
 * power there. Made without faults, always the same.
 */
export async function makeTemplate(count: number): Promise<Template> {
  const folder = makeFolder()
  await using world = new World(`template ${count}`, join(folder, 'live'))
  for (const name of names.slice(0, count)) {
    const server = world.addServer(name)
    await world.time.until(server.start())
    await world.register(server, 'anne')
    await world.register(server, 'ben')
  }
  const [creator, ...others] = world.people
  if (creator === undefined) throw new Error('nobody is there')
  const made: Pick<TemplateRoom, 'id' | 'version'>[] = []
  for (const version of versions) {
    const users = Object.fromEntries(others.filter(({ id }) => id.startsWith('@anne')).map(({ id }) => [id, 50]))
    const { room_id: id } = await creator.ok('POST', '/createRoom', {
      preset: 'public_chat',
      room_version: version,
      power_level_content_override: { users: version === '12' ? users : { ...users, [creator.id]: 100 } },
    })
    for (const other of others) {
      await other.ok('POST', `/join/${part(id)}?server_name=${part(creator.server.name)}`, {})
      await world.settle()
    }
    made.push({ id, version })
  }
  const rooms: TemplateRoom[] = []
  for (const room of made) rooms.push(await asItIs(world, room))
  if (world.faults.length > 0) throw new Error(world.faults.join('\n'))
  return await world.save(folder, rooms)
}

async function asItIs(world: World, room: Pick<TemplateRoom, 'id' | 'version'>): Promise<TemplateRoom> {
  const timelines = new Map<string, string[]>()
  const eventIds = new Set<string>()
  for (const server of world.servers) {
    const copy = await readCopy(server, room.id)
    if (copy === undefined) throw new Error(`${server.name} does not know ${room.id}`)
    timelines.set(server.name, timelineOf(copy))
    for (const id of copy.events.keys()) eventIds.add(id)
  }
  return { ...room, timelines, eventIds }
}
