import { expect, test } from 'vitest'
import { endpoints as event } from '../../src/http/federation/event.ts'
import { endpoints as history } from '../../src/http/federation/history.ts'
import { endpoints as keys } from '../../src/http/federation/keys.ts'
import { endpoints as state } from '../../src/http/federation/state.ts'
import type { RoomEvent } from '../../src/protocol/event.ts'
import type { UserId } from '../../src/protocol/ids.ts'
import type { Json, JsonObject } from '../../src/protocol/json-types.ts'
import { parseEvent } from '../../src/protocol/parse-event.ts'
import { bumpEpoch } from '../../src/store/epochs.ts'
import { putUserErased } from '../../src/store/erased-marks.ts'
import { putUser } from '../../src/store/users.ts'
import { Federated, type Answer } from '../support/federated.ts'

const endpoints = [...event, ...history, ...keys, ...state]
const bob: UserId = '@bob:in.test'
const v1 = '/_matrix/federation/v1'
const part = encodeURIComponent

async function world(version = '11') {
  const fed = await Federated.make(endpoints)
  const alice = await fed.engine.user('alice')
  const room = await fed.engine.room(alice, { version })
  await fed.join(room, bob)
  const said = await fed.say(room.id, alice, 'hello')
  const last = await fed.say(room.id, alice, 'again')
  const other = await fed.engine.room(alice, { version })
  const hidden = await fed.say(other.id, alice, 'secret')
  return { fed, alice, room, said, last, other, hidden, [Symbol.asyncDispose]: () => fed[Symbol.asyncDispose]() }
}

type World = Awaited<ReturnType<typeof world>>

const pduList = (answer: Answer, name = 'pdus') => answer.json[name] as readonly JsonObject[]

/** Every read of a room by an event id. */
const reads: [string, (w: World, roomId: string, eventId: string) => readonly ['GET' | 'POST', string, Json?]][] = [
  ['state', (_w, roomId, eventId) => ['GET', `${v1}/state/${part(roomId)}?event_id=${part(eventId)}`]],
  ['state_ids', (_w, roomId, eventId) => ['GET', `${v1}/state_ids/${part(roomId)}?event_id=${part(eventId)}`]],
  ['event_auth', (_w, roomId, eventId) => ['GET', `${v1}/event_auth/${part(roomId)}/${part(eventId)}`]],
  ['backfill', (_w, roomId, eventId) => ['GET', `${v1}/backfill/${part(roomId)}?v=${part(eventId)}&limit=10`]],
  [
    'get_missing_events',
    (_w, roomId, eventId) => [
      'POST',
      `${v1}/get_missing_events/${part(roomId)}`,
      { earliest_events: [], latest_events: [eventId], limit: 10 },
    ],
  ],
]

test.each(reads)(
  '%s: a server in the room gets it; one that never was, has left, or is denied gets 403, as for an unknown room',
  async (_name, make) => {
    await using w = await world()
    const asked = make(w, w.room.id, w.last.eventId)
    expect((await w.fed.ask('in.test', ...asked)).status).toBe(200)
    const never = await w.fed.ask('out.test', ...asked)
    expect(never).toMatchObject({ status: 403, json: { errcode: 'M_FORBIDDEN' } })
    const unknown = await w.fed.ask('out.test', ...make(w, '!nowhere:us.test', w.last.eventId))
    expect(unknown).toEqual(never)
    await w.fed.sendRemote(w.room, bob, 'm.room.member', { membership: 'leave' }, bob)
    expect(await w.fed.ask('in.test', ...asked)).toEqual(never)
    await w.fed.join(w.room, bob)
    expect((await w.fed.ask('in.test', ...asked)).status).toBe(200)
    await w.fed.setState(w.room.id, w.alice, 'm.room.server_acl', {
      allow: ['*'],
      deny: ['*.test'],
      allow_ip_literals: true,
    })
    expect(await w.fed.ask('in.test', ...asked)).toEqual(never)
  },
)

test.each(reads)(
  '%s: an event of another room under this room’s path is as unknown as one that does not exist',
  async (_name, make) => {
    await using w = await world()
    const cross = await w.fed.ask('in.test', ...make(w, w.room.id, w.hidden.eventId))
    const unknown = await w.fed.ask('in.test', ...make(w, w.room.id, `$${'x'.repeat(43)}`))
    const plain = (answer: Answer) => ({ ...answer, json: { ...answer.json, origin_server_ts: 0 } })
    expect(plain(cross)).toEqual(plain(unknown))
    expect(JSON.stringify(cross)).not.toContain('secret')
    expect(cross.json.errcode ?? cross.json.pdus ?? cross.json.events).toEqual(
      cross.status === 404 ? 'M_NOT_FOUND' : [],
    )
  },
)

test('event: 404 for an event of a room in which the server is not, and for an unknown one alike', async () => {
  await using w = await world()
  const of = (eventId: string) => `${v1}/event/${part(eventId)}`
  const answer = await w.fed.ask('in.test', 'GET', of(w.said.eventId))
  expect(parseEvent(w.room.version, pduList(answer)[0] as JsonObject)).toMatchObject({ eventId: w.said.eventId })
  const hidden = await w.fed.ask('in.test', 'GET', of(w.hidden.eventId))
  expect(hidden).toMatchObject({ status: 404, json: { errcode: 'M_NOT_FOUND' } })
  expect(await w.fed.ask('in.test', 'GET', of(`$${'x'.repeat(43)}`))).toEqual(hidden)
})

test.each(['6', '10', '11', '12'])(
  'room version %s: state, state_ids and event_auth agree, and every event is whole and signed',
  async (version) => {
    await using w = await world(version)
    const { fed, room, last } = w
    const full = await fed.ask('in.test', 'GET', `${v1}/state/${part(room.id)}?event_id=${part(last.eventId)}`)
    const ids = await fed.ask('in.test', 'GET', `${v1}/state_ids/${part(room.id)}?event_id=${part(last.eventId)}`)
    const parsed = (list: readonly JsonObject[]) =>
      list.map((pdu) => parseEvent(room.version, pdu)).flatMap((made) => ('eventId' in made ? [made] : []))
    const sorted = (list: readonly string[]) => list.toSorted((a, b) => (a < b ? -1 : 1))
    const pdus = parsed(pduList(full))
    expect(sorted(pdus.map(({ eventId }) => eventId))).toEqual(sorted(ids.json.pdu_ids as string[]))
    expect(sorted(parsed(pduList(full, 'auth_chain')).map(({ eventId }) => eventId))).toEqual(
      sorted(ids.json.auth_chain_ids as string[]),
    )
    expect(sorted(pdus.map(({ type }) => type))).toEqual([
      'm.room.create',
      'm.room.join_rules',
      'm.room.member',
      'm.room.member',
      'm.room.power_levels',
    ])
    const chain = parsed(
      pduList(await fed.ask('in.test', 'GET', `${v1}/event_auth/${part(room.id)}/${part(last.eventId)}`), 'auth_chain'),
    )
    const known = new Set(chain.map(({ eventId }) => eventId))
    for (const id of last.authEventIds) expect(known).toContain(id)
    for (const each of chain) for (const id of each.authEventIds) expect(known).toContain(id)
    expect(chain.some((each) => each.type === 'm.room.create')).toBe(true)
  },
)

test('backfill: the events named and those before them, newest first, at most as many as asked for', async () => {
  await using w = await world()
  const page = async (limit: number) =>
    pduList(
      await w.fed.ask('in.test', 'GET', `${v1}/backfill/${part(w.room.id)}?v=${part(w.last.eventId)}&limit=${limit}`),
    ).map((pdu) => {
      const made = parseEvent(w.room.version, pdu)
      return 'eventId' in made ? made.eventId : undefined
    })
  expect(await page(2)).toEqual([w.last.eventId, w.said.eventId])
  expect(await page(1000)).toHaveLength(7)
})

test('get_missing_events: between the ends, oldest first, without them', async () => {
  await using w = await world()
  const more: RoomEvent[] = []
  for (let i = 0; i < 30; i++) more.push(await w.fed.say(w.room.id, w.alice, `${i}`))
  const ask = async (body: JsonObject) => {
    const answer = await w.fed.ask('in.test', 'POST', `${v1}/get_missing_events/${part(w.room.id)}`, body)
    return {
      status: answer.status,
      ids: (answer.json.events as JsonObject[] | undefined)?.map(
        (pdu) => (parseEvent(w.room.version, pdu) as { eventId: string }).eventId,
      ),
    }
  }
  const latest = [more[29]?.eventId as string]
  const found = await ask({ earliest_events: [more[24]?.eventId as string], latest_events: latest })
  expect(found.ids).toEqual([25, 26, 27, 28].map((i) => more[i]?.eventId))
  expect((await ask({ earliest_events: [], latest_events: latest })).ids).toHaveLength(10)
  expect((await ask({ earliest_events: [], latest_events: latest, limit: 1_000_000 })).ids).toHaveLength(20)
  expect((await ask({ earliest_events: [], latest_events: latest, limit: -1 })).status).toBe(400)
  expect((await ask({ earliest_events: 'x', latest_events: latest })).status).toBe(400)
})

test('before a server joined, what only members may see goes to it without content', async () => {
  await using w = await world()
  const { fed, alice } = w
  const room = await fed.engine.room(alice)
  await fed.setState(room.id, alice, 'm.room.history_visibility', { history_visibility: 'joined' })
  const before = await fed.say(room.id, alice, 'not for you')
  await fed.join(room, bob)
  const answer = await fed.ask('in.test', 'GET', `${v1}/event/${part(before.eventId)}`)
  expect(answer.status).toBe(200)
  expect(JSON.stringify(answer.json)).not.toContain('not for you')
  expect(parseEvent(room.version, pduList(answer)[0] as JsonObject)).toMatchObject({ eventId: before.eventId })
})

test('what an erased person wrote goes out pruned, by every door', async () => {
  await using w = await world()
  const { fed, alice, room, last } = w
  const ts = Date.now()
  await fed.engine.database.write(async (tx) => {
    const nid = await putUser(tx, alice)
    await putUserErased(tx, nid, { ts, mode: 'redact' })
    await bumpEpoch(tx, 'erasures')
    tx.onCommit(() => fed.erased.add(nid, { erasedTs: ts, mode: 'redact' }))
  })
  for (const [name, make] of reads) {
    const answer = await fed.ask('in.test', ...make(w, room.id, last.eventId))
    expect(answer.status, name).toBe(200)
    expect(JSON.stringify(answer.json), name).not.toMatch(/hello|again|Creator/)
  }
  const one = await fed.ask('in.test', 'GET', `${v1}/event/${part(last.eventId)}`)
  expect(parseEvent(room.version, pduList(one)[0] as JsonObject)).toMatchObject({ eventId: last.eventId, content: {} })
})

test('keys: ours, signed by us; and as a notary those of another', async () => {
  await using w = await world()
  const ours = await w.fed.ask('in.test', 'GET', '/_matrix/key/v2/server')
  expect(ours.json).toMatchObject({ server_name: 'us.test', signatures: { 'us.test': {} } })
  expect(ours.json.valid_until_ts).toBeGreaterThan(Date.now() + 3_600_000)
  const one = await w.fed.ask('in.test', 'GET', '/_matrix/key/v2/query/in.test?minimum_valid_until_ts=1')
  const many = await w.fed.ask('in.test', 'POST', '/_matrix/key/v2/query', {
    server_keys: { 'in.test': {}, 'us.test': {}, 'not a name!': {} },
  })
  expect((one.json.server_keys as JsonObject[]).map((document) => Object.keys(document.signatures as object))).toEqual([
    ['in.test', 'us.test'],
  ])
  expect((many.json.server_keys as JsonObject[]).map(({ server_name: name }) => name)).toEqual(['in.test', 'us.test'])
})
