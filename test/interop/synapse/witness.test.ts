import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { RoomEvent } from '../../../src/protocol/event.ts'
import type { RoomVersion } from '../../../src/protocol/room-version.ts'
import { findRoomVersion } from '../../../src/protocol/room-version.ts'
import { ApiClient, eventually } from '../../support/api-client.ts'
import { LetheProcess } from '../../support/lethe-process.ts'
import { HostedRoom } from '../../support/hosted-room.ts'
import { randomChoice } from '../../support/random-choice.ts'
import { scale, seed } from '../../support/scale.ts'
import { RoomHost } from '../../support/room-host.ts'
import { Seeded } from '../../support/seeded.ts'
import { Synapse, synapseMissing } from '../../support/synapse.ts'
import { makeTls } from '../../support/tls.ts'

const missing = synapseMissing()
if (missing !== undefined) console.log(`skipped: ${missing}`)

const versions = ['6', '7', '8', '9', '10', '11', '12']
const roomsEach = scale(1, 3)
const eventsEach = 100
const start = seed(20261122)

const folder = mkdtempSync(join(tmpdir(), 'lethe-witness-'))
let lethe: LetheProcess
let synapse: Synapse
let peer: RoomHost
let lena: ApiClient // on Lethe
let sven: ApiClient // on Synapse

beforeAll(async () => {
  if (missing !== undefined) return
  const tls = makeTls(folder)
  ;[lethe, synapse, peer] = await Promise.all([
    LetheProcess.start({ folder: join(folder, 'lethe'), tls }),
    Synapse.start(join(folder, 'synapse'), tls),
    RoomHost.start(tls),
  ])
  lena = await new ApiClient(lethe.clientUrl).register('lena')
  sven = await new ApiClient(synapse.clientUrl).register('sven')
})
afterAll(async () => {
  await lethe?.stop('SIGKILL')
  await synapse?.stop()
  await peer?.close()
  rmSync(folder, { recursive: true, force: true })
})

/** A room of the scripted peer with its first members. */
function makeRoom(version: RoomVersion, users: readonly string[], ts: number): HostedRoom {
  const { server } = peer
  const [creator, second, third] = users as [string, string, string]
  const room = new HostedRoom(version, server.name, server.key, creator, {}, ts)
  const must = (choice: Parameters<HostedRoom['add']>[0]) => {
    if (room.add(choice)?.isRejected !== false) throw new Error(`the scene is refused: ${choice.type}`)
  }
  must({ type: 'm.room.member', sender: creator, stateKey: creator, content: { membership: 'join' } })
  must({
    type: 'm.room.power_levels',
    sender: creator,
    stateKey: '',
    content: { users: { ...(version.privilegedCreators ? {} : { [creator]: 100 }), [second]: 50 } },
  })
  must({ type: 'm.room.join_rules', sender: creator, stateKey: '', content: { join_rule: 'public' } })
  for (const user of [second, third])
    must({ type: 'm.room.member', sender: user, stateKey: user, content: { membership: 'join' } })
  return room
}

/** The ids of all events that a member of the room is shown. */
async function shown(client: ApiClient, room: HostedRoom): Promise<Set<string>> {
  return new Set((await client.history(room.id, 50)).map((event) => event['event_id'] as string))
}

async function currentState(client: ApiClient, room: HostedRoom): Promise<Map<string, string>> {
  const state = await client.state(room.id)
  return new Map(
    state.map((event) => [`${event['type'] as string} ${event['state_key'] as string}`, event['event_id'] as string]),
  )
}

/** The whole room for whoever looks into a difference: what the peer expected of each event, and who showed it. */
function dump(
  room: HostedRoom,
  atSynapse: ReadonlySet<string>,
  atLethe: ReadonlySet<string>,
  errors: ReadonlyMap<string, string>,
): string {
  const lines = [...room.placed.values()].map(({ event, refusal }) => {
    const seen = `${atSynapse.has(event.eventId) ? 'S' : '-'}${atLethe.has(event.eventId) ? 'L' : '-'}`
    return `${seen} ${describeEvent(room, event)} ${refusal ?? ''}${errors.has(event.eventId) ? ` | Lethe: ${errors.get(event.eventId)}` : ''}`
  })
  const file = join(tmpdir(), `lethe-witness-${room.version.id}-${start}.txt`)
  writeFileSync(file, lines.join('\n'))
  return file
}

/** The state before an event, as a server tells other servers. */
async function stateBefore(server: string, room: HostedRoom, event: RoomEvent): Promise<string[] | number> {
  const { status, body } = await peer.call(
    server,
    'GET',
    `/_matrix/federation/v1/state_ids/${encodeURIComponent(room.id)}?event_id=${encodeURIComponent(event.eventId)}`,
  )
  return status === 200 ? (body['pdu_ids'] as string[]).toSorted() : status
}

const describeEvent = (room: HostedRoom, { eventId, pdu, redacts }: RoomEvent) => {
  const { type, sender, state_key, content } = pdu
  const name = (id: string) => [...room.placed.keys()].indexOf(id as RoomEvent['eventId'])
  return JSON.stringify({
    event: name(eventId),
    type,
    sender,
    state_key,
    content,
    ...(redacts === undefined ? {} : { redacts: name(redacts) }),
    prev: (pdu['prev_events'] as string[]).map(name),
    auth: (pdu['auth_events'] as string[]).map(name),
  })
}

describe.skipIf(missing !== undefined)('the same random events, offered to Synapse and to Lethe', () => {
  test.each(versions)(
    'room version %s: accepted and rejected alike, the same state',
    async (id) => {
      const version = findRoomVersion(id) as RoomVersion
      const counts = { accepted: 0, refused: 0 }
      for (let i = 0; i < roomsEach; i++) {
        const random = new Seeded(start + Number(id) * 1000 + i)
        const users = ['ada', 'ben', 'cyd', 'dan', 'eve', 'fay'].map((name) => `@${name}:${peer.server.name}`)
        const room = makeRoom(version, users, Date.now() - 3_600_000 + random.below(1000))
        peer.rooms.set(room.id, room)
        await sven.join(room.id, peer.server.name)
        const svens = room.placed.get(room.tips[0] as RoomEvent['eventId'])?.event as RoomEvent
        await lena.join(room.id, peer.server.name)
        const lenas = room.placed.get(room.tips[0] as RoomEvent['eventId'])?.event as RoomEvent
        expect(svens.sender).toBe(sven.userId)
        expect(lenas.sender).toBe(lena.userId)
        await peer.offer(synapse.name, [lenas])

        const since = room.placed.size - 1
        const offered: RoomEvent[] = []
        while (offered.length < eventsEach) {
          const placed = room.add(randomChoice(random, room, { users, since }))
          if (placed !== undefined) offered.push(placed.event)
        }
        const creator = users[0] as string
        const last = room.add({ type: 'm.room.message', sender: creator, content: { msgtype: 'm.text', body: 'end' } })
        if (last?.refusal !== undefined || last === undefined) throw new Error('the last event is refused')
        offered.push(last.event)
        const [, errors] = await Promise.all([peer.offer(synapse.name, offered), peer.offer(lethe.name, offered)])
        const lastId = last.event.eventId
        let late: unknown
        for (const client of [sven, lena])
          await eventually(() => client.event(room.id, lastId), 30_000, `${client.userId} sees the last event`).catch(
            (error: unknown) => (late = error),
          )

        const [atSynapse, atLethe] = await Promise.all([shown(sven, room), shown(lena, room)])
        if (late !== undefined)
          throw new Error(`the last event is not shown: ${dump(room, atSynapse, atLethe, errors)}`, { cause: late })
        const different = offered.filter(({ eventId }) => atSynapse.has(eventId) !== atLethe.has(eventId))
        if (different.length > 0) console.log(`all events: ${dump(room, atSynapse, atLethe, errors)}`)
        const where = (event: RoomEvent) => (atSynapse.has(event.eventId) ? 'only Synapse shows ' : 'only Lethe shows ')
        expect(
          different.map((event) => where(event) + describeEvent(room, event)),
          `seed ${start}, room ${i}`,
        ).toEqual([])
        for (const { eventId } of offered) counts[atLethe.has(eventId) ? 'accepted' : 'refused']++
        expect(await currentState(lena, room), `state, seed ${start}, room ${i}`).toEqual(
          await currentState(sven, room),
        )
        const merges = offered.filter(({ eventId, prevEventIds }) => prevEventIds.length > 1 && atLethe.has(eventId))
        for (const event of merges.slice(-10))
          expect(await stateBefore(lethe.name, room, event), `state before ${describeEvent(room, event)}`).toEqual(
            await stateBefore(synapse.name, room, event),
          )
      }
      console.log(`version ${id}: ${counts.accepted} shown, ${counts.refused} not, seed ${start}`)
      expect(Math.min(counts.accepted, counts.refused)).toBeGreaterThan(10 * roomsEach)
    },
    60_000 + roomsEach * 60_000,
  )
})
