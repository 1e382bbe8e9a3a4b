import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ApiClient, eventually } from '../../support/api-client.ts'
import { LetheProcess } from '../../support/lethe-process.ts'
import { Synapse, synapseMissing } from '../../support/synapse.ts'
import { makeTls } from '../../support/tls.ts'

const missing = synapseMissing()
if (missing !== undefined) console.log(`skipped: ${missing}`)

const folder = mkdtempSync(join(tmpdir(), 'lethe-synapse-'))
let lethe: LetheProcess
let synapse: Synapse
let alice: ApiClient // on Lethe
let anna: ApiClient // on Lethe
let bob: ApiClient // on Synapse
let bert: ApiClient // on Synapse

beforeAll(async () => {
  if (missing !== undefined) return
  const tls = makeTls(folder)
  ;[lethe, synapse] = await Promise.all([
    LetheProcess.start({ folder: join(folder, 'lethe'), tls }),
    Synapse.start(join(folder, 'synapse'), tls),
  ])
  alice = await new ApiClient(lethe.clientUrl).register('alice')
  anna = await new ApiClient(lethe.clientUrl).register('anna')
  bob = await new ApiClient(synapse.clientUrl).register('bob')
  bert = await new ApiClient(synapse.clientUrl).register('bert')
})
afterAll(async () => {
  await lethe?.stop('SIGKILL')
  await synapse?.stop()
  rmSync(folder, { recursive: true, force: true })
})

type Event = Record<string, unknown> & {
  event_id: string
  type: string
  state_key?: string
  content: Record<string, unknown>
}

/** State by key, as event ids. */
async function stateIds(client: ApiClient, room: string): Promise<Record<string, string>> {
  const state = (await client.state(room)) as Event[]
  return Object.fromEntries(
    state
      .map((event) => [`${event.type} ${event.state_key}`, event.event_id] as const)
      .toSorted(([a], [b]) => (a < b ? -1 : 1)),
  )
}

/** All events of the room by id, without what each server adds for its reader. */
async function events(client: ApiClient, room: string): Promise<Map<string, Record<string, unknown>>> {
  const history = (await client.history(room)) as Event[]
  const common = ['content', 'event_id', 'origin_server_ts', 'room_id', 'sender', 'state_key', 'type']
  return new Map(history.map((event) => [event.event_id, Object.fromEntries(common.map((key) => [key, event[key]]))]))
}

const bodies = async (client: ApiClient, room: string) =>
  ((await client.history(room)) as Event[]).map(({ content }) => content['body']).filter((body) => body !== undefined)

async function seesBody(client: ApiClient, room: string, body: string): Promise<void> {
  await eventually(async () => (await bodies(client, room)).includes(body), 20_000, `${client.userId} sees "${body}"`)
}

async function seesMembership(client: ApiClient, room: string, user: ApiClient, membership: string): Promise<void> {
  await eventually(
    async () => {
      const state = (await client.state(room)) as Event[]
      return (
        state.find(({ type, state_key }) => type === 'm.room.member' && state_key === user.userId)?.content[
          'membership'
        ] === membership
      )
    },
    20_000,
    `${client.userId} sees ${user.userId} ${membership}`,
  )
}

/** The same life of a room, whichever side made it: `host` made it, `guest` comes over federation. */
async function live(
  version: string,
  host: ApiClient,
  host2: ApiClient,
  guest: ApiClient,
  guest2: ApiClient,
  hostName: string,
): Promise<void> {
  const room = await host.createRoom({
    room_version: version,
    preset: 'public_chat',
    name: `Version ${version}`,
    topic: 'both ways',
  })
  await host.join(room).catch(() => undefined)
  await host2.join(room)
  await host.send(room, 'before the join')
  await guest.join(room, hostName)
  await seesMembership(host, room, guest, 'join')
  await seesBody(guest, room, 'before the join')

  // Synapse answers the same sync from a cache: each one goes on from the one before.
  let { next_batch: since } = await guest2.sync()
  await host.act(room, 'invite', { user_id: guest2.userId })
  await eventually(
    async () => {
      const { next_batch, rooms } = (await guest2.sync(since)) as { next_batch: string; rooms?: { invite?: object } }
      since = next_batch
      return Object.keys(rooms?.invite ?? {}).includes(room)
    },
    20_000,
    `the invite of ${guest2.userId}`,
  )
  await guest2.join(room, hostName)
  await seesMembership(host, room, guest2, 'join')

  await host.send(room, 'from the host')
  await seesBody(guest, room, 'from the host')
  const regretted = await guest.send(room, 'from the guest')
  await seesBody(host, room, 'from the guest')
  const alsoRegretted = await host.send(room, 'to be redacted by its sender')
  await seesBody(guest, room, 'to be redacted by its sender')

  // Redactions: by the sender, and by the one with the power.
  await host.redact(room, alsoRegretted, 'my own')
  await host.redact(room, regretted, 'by power')
  for (const client of [host, guest]) {
    for (const id of [regretted, alsoRegretted]) {
      await eventually(
        async () => {
          const event = (await client.event(room, id)) as Event
          return Object.keys(event.content).length === 0
        },
        20_000,
        `${client.userId} sees ${id} redacted`,
      )
    }
  }

  // Power: the guest becomes a moderator and uses it.
  const levels = ((await host.state(room)) as Event[]).find(({ type }) => type === 'm.room.power_levels')?.content as {
    users: Record<string, number>
  }
  await host.setState(room, 'm.room.power_levels', { ...levels, users: { ...levels.users, [guest.userId]: 50 } })
  await eventually(
    async () => {
      const now = ((await guest.state(room)) as Event[]).find(({ type }) => type === 'm.room.power_levels')
        ?.content as { users: Record<string, number> }
      return now.users[guest.userId] === 50
    },
    20_000,
    'the power',
  )
  await guest.setState(room, 'm.room.topic', { topic: `set by the guest of version ${version}` })
  await guest.act(room, 'kick', { user_id: host2.userId, reason: 'kicked' })
  await seesMembership(host, room, host2, 'leave')
  await host2.join(room)
  await seesMembership(guest, room, host2, 'join')
  await guest.act(room, 'ban', { user_id: host2.userId, reason: 'banned' })
  await seesMembership(host, room, host2, 'ban')
  await expect(host2.join(room)).rejects.toMatchObject({ status: 403 })
  await guest.act(room, 'unban', { user_id: host2.userId })
  await seesMembership(host, room, host2, 'leave')
  await guest2.act(room, 'leave')
  await seesMembership(host, room, guest2, 'leave')

  // Both talk at once.
  await Promise.all(
    [host, guest].flatMap((client) => [1, 2, 3, 4, 5].map((i) => client.send(room, `at once ${i} ${client.userId}`))),
  )
  await host.send(room, 'the end')
  await seesBody(guest, room, 'the end')
  await guest.send(room, 'the very end')
  await seesBody(host, room, 'the very end')
  for (const client of [host, guest]) {
    for (const other of [host, guest])
      for (const i of [1, 2, 3, 4, 5]) await seesBody(client, room, `at once ${i} ${other.userId}`)
  }

  expect(await stateIds(guest, room)).toEqual(await stateIds(host, room))
  const [ours, theirs] = [await events(host, room), await events(guest, room)]
  expect([...theirs.keys()].toSorted()).toEqual([...ours.keys()].toSorted())
  for (const [id, event] of ours) expect(theirs.get(id), id).toEqual(event)
}

describe.skipIf(missing !== undefined).each(['10', '11', '12'])('room version %s', (version) => {
  test('Lethe made the room, Synapse joins', () => live(version, alice, anna, bob, bert, lethe.name))
  test('Synapse made the room, Lethe joins', () => live(version, bob, bert, alice, anna, synapse.name))
})
