import { expect, test } from 'vitest'
import { eraseReleased } from '../../src/privacy/erasure/released.ts'
import { requestErasure } from '../../src/privacy/erasure/request.ts'
import { rewriteIfDeleted } from '../../src/privacy/erasure/rewrite.ts'
import { getErasure, showErasure, showReceipt } from '../../src/privacy/erasure/show.ts'
import { verifyJson } from '../../src/protocol/sign.ts'
import type { JsonObject } from '../../src/protocol/json-types.ts'
import { findAccount } from '../../src/store/accounts.ts'
import { findEventById } from '../../src/store/events.ts'
import { findMembership } from '../../src/store/memberships.ts'
import { findRoomById } from '../../src/store/rooms.ts'
import { isTombstoned } from '../../src/store/tombstones.ts'
import { subjectHash } from '../../src/privacy/erasure/certificate.ts'
import { searchPerson } from '../../src/privacy/verify/search-tables.ts'
import { engines } from '../support/store.ts'
import { ErasureWorld } from '../support/erasure-world.ts'
import { testKey } from '../support/engine.ts'

const canaries = [
  'name',
  'message',
  'edit',
  'topic',
  'old-name',
  'room',
  'file',
  'alt',
  'profile',
  'device',
  'data',
  'filter',
  'unseen',
]

async function leftOf(world: ErasureWorld): Promise<string[]> {
  const bytes = await world.bytes()
  return canaries.filter((name) => bytes.includes(`CANARY-${name}`)).toSorted()
}

async function live(world: ErasureWorld) {
  const alice = await world.user('alice')
  const bob = await world.user('bob')
  const room = await world.room(bob)
  await world.join(room, alice, { displayname: 'CANARY-name', avatar_url: 'mxc://a.test/avatar' })
  await world.join(room, bob)
  const message = await world.say(room, alice, 'CANARY-message')
  const edit = await world.say(room, alice, 'CANARY-edit', {
    'm.relates_to': { rel_type: 'm.replace', event_id: message },
  })
  const others = await world.say(room, bob, 'what bob said')
  const own = await world.room(alice)
  const topic = await world.send(own, {
    type: 'm.room.topic',
    stateKey: '',
    content: { topic: 'CANARY-topic' },
    sender: alice,
  })
  const old = await world.send(own, {
    type: 'm.room.name',
    stateKey: '',
    content: { name: 'CANARY-old-name' },
    sender: alice,
  })
  await world.send(own, { type: 'm.room.name', stateKey: '', content: { name: 'CANARY-room' }, sender: alice })
  const mediaId = await world.upload(alice, 'CANARY-file')
  await world.send(room, {
    type: 'm.room.message',
    content: { msgtype: 'm.image', body: 'CANARY-alt', url: `mxc://a.test/${mediaId}` },
    sender: alice,
  })
  const nid = await world.nidOf(alice)
  await world.sql(`insert into profiles (user_nid, field, value) values (${nid}, 'displayname', '"CANARY-profile"')`)
  await world.sql(
    `insert into devices (user_nid, device_id, display_name, created_ts) values (${nid}, 'CANARYDEV', 'CANARY-device', 1)`,
  )
  await world.sql(
    `insert into account_data (user_nid, room_nid, type, content, writer, pos) values (${nid}, 0, 'x', '"CANARY-data"', 1, 1)`,
  )
  await world.sql(`insert into filters (user_nid, filter) values (${nid}, '"CANARY-filter"')`)
  await world.host(room, 'b.test')
  await world.host(own, 'c.test')
  return { alice, bob, room, own, message, edit, others, topic, old, nid, mediaId }
}

test('P1: in redact mode nothing of the person is left on disk but what is listed as kept', async () => {
  await using world = await ErasureWorld.start()
  const { alice, message, edit, others, topic, old, nid, room } = await live(world)
  const answer = await requestErasure(world.deps, { userId: alice, by: 'self' })
  expect(answer).toMatchObject({ state: 'LOCKED', mode: 'redact' })
  // T0
  expect(world.deps.erased.of(nid)).toMatchObject({ mode: 'redact' })
  expect(await world.deps.database.read((conn) => findAccount(conn, nid))).toMatchObject({ password_hash: null })
  expect(await world.deps.database.read((conn) => isTombstoned(conn, 'ALICE'))).toBe(true)
  await world.work()
  for (const id of [message, edit]) {
    const row = await world.deps.database.read((conn) => findEventById(conn, id))
    expect(row?.json).not.toContain('CANARY')
    expect(row?.redacted_by).not.toBeNull()
  }
  expect(await world.json(others)).toContain('what bob said')
  expect(await world.json(topic)).toContain('CANARY-topic')
  expect(await world.json(old)).not.toContain('CANARY')
  expect(await leftOf(world)).toEqual(['room', 'topic'])
  const view = await showErasure(world.deps, await getErasure(world.deps, alice))
  expect(view.counts.kept).toContainEqual(expect.objectContaining({ what: 'm.room.topic', count: 1 }))
  expect(view.counts.kept).toContainEqual(expect.objectContaining({ what: 'm.room.name', count: 1 }))
  expect(view.counts).toMatchObject({
    redacted: 3,
    deleted: { devices: 1, profiles: 1, account_data: 1, filters: 1, media: 1 },
  })
  expect(view.peers.map(({ host, state }) => `${host} ${state}`)).toEqual([
    'b.test acknowledged',
    'c.test acknowledged',
  ])
  expect(world.told).toHaveLength(2)
  // she has left, and forgotten the room
  const roomRow = await world.deps.database.read((conn) => findRoomById(conn, room))
  const membership = await world.deps.database.read((conn) => findMembership(conn, nid, roomRow?.room_nid ?? 0))
  expect(membership).toMatchObject({ membership: 'leave', forgotten: true, display_name: null })
  // the certificate holds, and names nobody
  const receipt = await showReceipt(world.deps, answer.receipt ?? '')
  const certificate = receipt.certificate as JsonObject
  const key = testKey('a.test')
  expect(verifyJson(certificate, 'a.test', key.keyId, key.publicKey)).toBe(true)
  expect(certificate.subject).toBe(subjectHash(Buffer.from(receipt.salt, 'base64'), alice))
  expect(JSON.stringify(certificate)).not.toMatch(/alice|b\.test|c\.test|!|\$/)
  await expect(showReceipt(world.deps, 'lter_wrong')).rejects.toMatchObject({ errcode: 'M_NOT_FOUND' })
})

test('P2: in forget mode bob keeps what he saw, until he forgets the room', async () => {
  await using world = await ErasureWorld.start({ mode: 'forget' })
  const { alice, bob, message, old, room } = await live(world)
  const alone = await world.room(alice)
  const unseen = await world.say(alone, alice, 'CANARY-unseen')
  await requestErasure(world.deps, { userId: alice, by: 'self' })
  await world.work()
  expect(await world.json(message)).toContain('CANARY-message')
  expect(await world.json(unseen)).not.toContain('CANARY')
  expect(await world.json(old)).not.toContain('CANARY')
  const view = await showErasure(world.deps, await getErasure(world.deps, alice))
  expect(view.counts.kept).toContainEqual(expect.objectContaining({ what: 'm.room.message', count: 3 }))
  expect(view.counts.redacted).toBe(0)
  expect(view.counts.deleted['media']).toBeUndefined()
  expect(await leftOf(world)).toEqual(['alt', 'edit', 'file', 'message', 'room', 'topic'])
  // the last holder goes
  await world.send(room, { type: 'm.room.member', stateKey: bob, content: { membership: 'leave' }, sender: bob })
  await world.sql(`update memberships set forgotten = 1 where user_nid = ${await world.nidOf(bob)}`)
  await eraseReleased(world.deps, new AbortController().signal)
  await rewriteIfDeleted(world.deps)
  expect(await leftOf(world)).toEqual(['room', 'topic'])
})

test('two requests at once make one job, and a request after a deactivation is possible', async () => {
  await using world = await ErasureWorld.start()
  const alice = await world.user('alice')
  const answers = await Promise.all([
    requestErasure(world.deps, { userId: alice, by: 'self' }),
    requestErasure(world.deps, { userId: alice, by: 'self' }),
    requestErasure(world.deps, { userId: alice, by: 'operator', reason: 'asked by letter' }),
  ])
  expect(new Set(answers.map(({ id }) => id)).size).toBe(1)
  expect(answers.filter(({ receipt }) => receipt !== undefined)).toHaveLength(1)
  await expect(requestErasure(world.deps, { userId: '@nobody:a.test', by: 'self' })).rejects.toMatchObject({
    errcode: 'M_NOT_FOUND',
  })
  await expect(requestErasure(world.deps, { userId: alice, by: 'self', mode: 'forget' })).rejects.toMatchObject({
    errcode: 'M_INVALID_PARAM',
  })
})

test('a single erasure may be stricter than the notice, and later become so', async () => {
  await using world = await ErasureWorld.start({ mode: 'forget' })
  const { alice, message } = await live(world)
  await requestErasure(world.deps, { userId: alice, by: 'self' })
  await world.work(1, ({ state }) => state === 'COLLECT' || state === 'SETTLED', 'COLLECT')
  expect(await world.json(message)).toContain('CANARY')
  const again = await requestErasure(world.deps, { userId: alice, by: 'operator', reason: 'her wish', mode: 'redact' })
  expect(again).toMatchObject({ mode: 'redact', state: 'REDACT', receipt: undefined })
  await world.work()
  expect(await leftOf(world)).toEqual(['room', 'topic'])
})

test.runIf(engines.includes('postgres'))(
  'on PostgreSQL: the whole life of an erasure, in both modes, and the shared journal',
  async () => {
    for (const mode of ['redact', 'forget'] as const) {
      await using world = await ErasureWorld.start({ mode }, 'postgres')
      const { alice, message, old } = await live(world)
      await requestErasure(world.deps, { userId: alice, by: 'self' })
      await world.work(1, ({ state }) => state === 'CLOSED')
      const json = await world.json(message)
      expect(json.includes('CANARY-message')).toBe(mode === 'forget')
      expect(await world.json(old)).not.toContain('CANARY')
      const view = await showErasure(world.deps, await getErasure(world.deps, alice))
      expect(view.counts).toMatchObject({ redacted: mode === 'redact' ? 3 : 0, deleted: { devices: 1, profiles: 1 } })
      const found = await searchPerson(world.deps, alice, ['CANARY-profile'])
      expect(found.found.filter(({ may_be: may }) => !may)).toEqual([])
      // a second process, with a file of its own, adopts the lines; a lost file comes back from the table
      const { rmSync } = await import('node:fs')
      await world.close()
      const lines = world.deps.journal.file.lastSeq
      rmSync(world.deps.journal.file.path)
      await world.open()
      expect(world.deps.journal.file.lastSeq).toBe(lines)
    }
  },
)

test.each(['redact', 'forget'] as const)(
  '%s: the picture that an erased person gave a room goes, file and all, when the room gets another one',
  async (mode) => {
    await using world = await ErasureWorld.start({ mode })
    const alice = await world.user('alice')
    const bob = await world.user('bob')
    const room = await world.room(bob)
    await world.join(room, alice)
    await world.send(room, {
      type: 'm.room.power_levels',
      stateKey: '',
      content: { users: { [bob]: 100 }, events: { 'm.room.avatar': 0 } },
      sender: bob,
    })
    const picture = (sender: typeof bob, mediaId: string) =>
      world.send(room, {
        type: 'm.room.avatar',
        stateKey: '',
        content: { url: `mxc://a.test/${mediaId}` },
        sender,
      })
    await picture(alice, await world.upload(alice, 'CANARY-picture'))
    await requestErasure(world.deps, { userId: alice, by: 'self' })
    await world.work()
    expect(await world.bytes()).toContain('CANARY-picture')
    await picture(bob, await world.upload(bob, 'another picture'))
    await eraseReleased(world.deps, new AbortController().signal)
    await rewriteIfDeleted(world.deps)
    const left = await world.bytes()
    expect(left).not.toContain('CANARY-picture')
    expect(left).toContain('another picture')
  },
)
