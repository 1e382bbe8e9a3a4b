import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { request } from 'node:https'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { canonicalJson } from '../../src/protocol/canonical-json.ts'
import { verifyJson } from '../../src/protocol/sign.ts'
import type { JsonObject } from '../../src/protocol/json-types.ts'
import { ApiClient, ApiError, eventually } from '../support/api-client.ts'
import type { Sighting } from '../support/canaries.ts'
import { erasureReaches, isSettled, showErasure } from '../support/erasure.ts'
import type { ErasureShown } from '../support/erasure.ts'
import { eraseHerself, movedClock, postgresMissing, startPrivacyWorld } from '../support/privacy-world.ts'
import type { PrivacyWorld } from '../support/privacy-world.ts'
import { leaks, readAll } from '../support/reading.ts'
import { synapseMissing } from '../support/synapse.ts'

const noSynapse = synapseMissing()
const monthLater = movedClock('+31d')
const noPostgres = postgresMissing()
for (const reason of [noSynapse, noPostgres, monthLater === undefined ? 'faketime is missing' : undefined])
  if (reason !== undefined) console.log(`skipped in part: ${reason}`)

type Event = {
  event_id: string
  sender: string
  type: string
  state_key?: string
  content: Record<string, unknown>
  unsigned?: { redacted_because?: unknown }
}
const client = '/_matrix/client/v3'
const encoded = encodeURIComponent
let readers = 0

/** What was seen, without what may stay because the erasure lists it as kept. */
function forbidden(world: PrivacyWorld, shown: ErasureShown | undefined, seen: readonly Sighting[]): string[] {
  const kept = JSON.stringify(shown?.counts.kept ?? [])
  const mayStay = ({ name }: Sighting) => {
    const fate = world.canaries.fate(name) ?? 'gone'
    return !['gone', 'fleeting', 'never'].includes(fate) && kept.includes(fate)
  }
  return seen
    .filter((sighting) => !mayStay(sighting))
    .map(({ name, file, how, around }) => `${name} (${how}) in ${file}: ${around}`)
    .slice(0, 40)
}

function keys(world: PrivacyWorld): Promise<JsonObject> {
  return new Promise((resolve, reject) => {
    const options = { ca: readFileSync(join(world.folder, 'ca.pem')), servername: 'localhost' }
    request(`${world.home.federationUrl}/_matrix/key/v2/server`, options, (answer) => {
      let text = ''
      answer
        .on('data', (chunk: Buffer) => (text += chunk.toString()))
        .on('end', () => resolve(JSON.parse(text) as JsonObject))
    })
      .once('error', reject)
      .end()
  })
}

/** The certificate is the server's, names nobody, and is of this person for whoever has the receipt. */
async function expectCertificate(world: PrivacyWorld, certificate: unknown, receipt: string): Promise<void> {
  const { status, text: answer } = await new ApiClient(world.home.clientUrl).answer(
    'GET',
    '/_lethe/v1/erasure',
    undefined,
    { authorization: `Bearer ${receipt}` },
  )
  expect(status, answer).toBe(200)
  const view = JSON.parse(answer) as { salt: string; certificate: unknown }
  expect(view.certificate).toEqual(certificate)
  const subject = createHash('sha256')
    .update(Buffer.from(view.salt, 'base64'))
    .update(world.life.alice.userId)
    .digest('base64url')
  expect(certificate).toMatchObject({ subject, content: 'gone' })
  const object = certificate as JsonObject
  const { verify_keys: published } = (await keys(world)) as { verify_keys: Record<string, { key: string }> }
  const verified = Object.entries(published).filter(([id, { key }]) => verifyJson(object, world.home.name, id, key))
  expect(verified, JSON.stringify(certificate)).toHaveLength(1)
  const text = JSON.stringify(certificate)
  expect(text).not.toContain('alice')
  expect(text).not.toContain('!')
  expect(text).not.toContain(world.peerServer.name)
  const [id, { key }] = verified[0] as [string, { key: string }]
  const changed = { ...object, mode: 'another' }
  expect(verifyJson(changed, world.home.name, id, key)).toBe(false)
}

/** What must hold the moment the request has returned. */
function atT0(worldOf: () => PrivacyWorld, receiptOf: () => string): void {
  test('the account is dead, and its name is taken for ever (P5)', async () => {
    const { life, home } = worldOf()
    await expect(life.alice.call('GET', `${client}/account/whoami`)).rejects.toMatchObject({
      status: 401,
      body: { errcode: 'M_UNKNOWN_TOKEN' },
    })
    await expect(new ApiClient(home.clientUrl).login('alice', life.password)).rejects.toMatchObject({ status: 403 })
    for (const name of ['alice', 'ALICE']) {
      const refused = await new ApiClient(home.clientUrl).register(name).catch((error: unknown) => error as ApiError)
      expect(refused, name).toMatchObject({ status: 400, body: { errcode: 'M_USER_IN_USE' } })
    }
    await expect(
      new ApiClient(home.clientUrl).call('GET', `${client}/register/available?username=alice`),
    ).rejects.toMatchObject({ status: 400, body: { errcode: 'M_USER_IN_USE' } })
    const created = await home.command('user', 'create', 'alice', '--password-file', join(worldOf().folder, 'ca.pem'))
    expect(created).toMatchObject({ code: 1, stdout: '' })
  })

  test('whoever came later sees nothing of hers, by any door (P3)', async () => {
    const world = worldOf()
    const { life, canaries, carol, home, cast } = world
    const rooms = [life.rooms.shared, life.rooms.old]
    const newest = await new ApiClient(home.clientUrl).register(`frank${readers++}`)
    for (const room of rooms) await newest.join(room)
    for (const reader of [carol, newest]) {
      const texts = await readAll(reader, life, rooms)
      expect(leaks(canaries, texts)).toEqual([])
      const pruned = (await reader.event(life.rooms.shared, life.plain.id)) as unknown as Event
      expect(pruned).toMatchObject({
        content: {},
        sender: life.alice.userId,
        unsigned: { redacted_because: { type: 'm.room.redaction' } },
      })
      for (const uri of [
        life.media.picture,
        life.media.avatar,
        life.media.encrypted,
        life.media.unused,
        life.media.alone,
      ]) {
        expect((await reader.download(uri)).status, uri).toBe(404)
        expect((await reader.thumbnail(uri)).status, uri).toBe(404)
      }
      await expect(reader.call('GET', `${client}/profile/${encoded(life.alice.userId)}`)).rejects.toMatchObject({
        status: 404,
      })
      await expect(reader.act(life.rooms.shared, 'invite', { user_id: life.alice.userId })).rejects.toBeInstanceOf(
        ApiError,
      )
    }
    // An invitation that waits keeps neither her name nor her reason.
    expect(leaks(canaries, new Map([['sync of an invited', JSON.stringify(await cast.dave.sync())]]))).toEqual([])
  })

  test('the receipt tells how it stands', async () => {
    const { home } = worldOf()
    const ask = (token: string) =>
      new ApiClient(home.clientUrl).answer('GET', '/_lethe/v1/erasure', undefined, { authorization: `Bearer ${token}` })
    const { status, text } = await ask(receiptOf())
    expect(status, text).toBe(200)
    expect(JSON.parse(text)).toMatchObject({ state: expect.any(String) })
    expect((await ask(`${receiptOf()}x`)).status).toBeGreaterThanOrEqual(400)
    expect((await ask('')).status).toBeGreaterThanOrEqual(400)
  })
}

const engines = [
  { engine: 'sqlite' as const, missing: undefined, logging: { file: 'lethe.log' } },
  { engine: 'postgres' as const, missing: noPostgres, logging: {} },
]

describe.each(engines)('mode redact on $engine', ({ engine, missing, logging }) => {
  describe.skipIf(missing !== undefined)('everything that a person entered', () => {
    let world: PrivacyWorld
    let receipt: string
    let shown: ErasureShown
    let before: Set<string>

    beforeAll(async () => {
      world = await startPrivacyWorld({ mode: 'redact', engine, synapse: noSynapse === undefined, logging })
      const { home, life, canaries, places } = world
      await world.flush()
      before = new Set(canaries.search(...places).map(({ name }) => name))
      const verified = await home.command('privacy', 'verify', life.alice.userId, '--also', life.plain.body)
      expect(verified.code, verified.stderr).toBe(1)
      receipt = await eraseHerself(life)
    }, 400_000)
    afterAll(async () => world?.[Symbol.asyncDispose]())

    test('was on the disk before, but for what is never stored', () => {
      const { canaries } = world
      const isStored = (name: string) => !['never', 'fleeting'].includes(canaries.fate(name) as string)
      expect(canaries.names().filter((name) => isStored(name) && !before.has(name))).toEqual([])
      expect(canaries.names().filter((name) => canaries.fate(name) === 'never' && before.has(name))).toEqual([])
      expect(receipt).toMatch(/^\S{20,}$/)
    })

    atT0(
      () => world,
      () => receipt,
    )

    test('the peers are told; Synapse shows every message as redacted (P9)', async () => {
      const { home, life, cast, peerServer, synapse } = world
      const told =
        (host: string, state: string) =>
        ({ peers }: ErasureShown) =>
          peers.some((peer) => peer.host === host && peer.state === state)
      await erasureReaches(home, life.alice.userId, told(peerServer.name, 'acknowledged'))
      if (synapse !== undefined) await erasureReaches(home, life.alice.userId, told(synapse.name, 'unsupported'))
      const readers = [cast.peer, ...(cast.sam === undefined ? [] : [cast.sam])]
      for (const reader of readers) {
        for (const [room, ids] of [
          [life.rooms.shared, life.messages.shared],
          [life.rooms.old, life.messages.old],
        ] as const) {
          for (const id of ids) {
            await eventually(
              async () => {
                const event = (await reader.event(room, id)) as unknown as Event
                return (
                  Object.keys(event.content).filter((key) => key !== 'm.relates_to').length === 0 &&
                  event.unsigned?.redacted_because !== undefined
                )
              },
              30_000,
              `${reader.userId} sees ${id} redacted`,
            )
          }
          await eventually(
            async () => {
              const state = (await reader.state(room)) as unknown as Event[]
              const member = state.find(
                ({ type, state_key }) => type === 'm.room.member' && state_key === life.alice.userId,
              )
              return member?.content['membership'] === 'leave'
            },
            30_000,
            `${reader.userId} sees that she has left`,
          )
        }
      }
    })

    test('the second Lethe holds nothing of hers either (P10)', async () => {
      const { canaries, peerPlaces, home, life } = world
      // on PostgreSQL both servers have their databases in one folder
      shown = await erasureReaches(home, life.alice.userId, isSettled)
      const left = () => forbidden(world, shown, canaries.search(...peerPlaces))
      await eventually(async () => left().length === 0, 120_000).catch(() => undefined)
      expect(left()).toEqual([])
      expect((await world.cast.peer.download(life.media.picture)).status).toBe(404)
    })

    test.skipIf(monthLater === undefined)(
      'a month later it is settled, and not a byte of it is left (P1, P4)',
      async () => {
        const { canaries, home, life, places, cast } = world
        shown = await erasureReaches(home, life.alice.userId, isSettled)
        expect(await home.stop()).toBe(0)
        await home.start(monthLater)
        shown = await erasureReaches(home, life.alice.userId, isSettled)
        for (const reader of [cast.bob, world.carol]) {
          expect(
            leaks(canaries, await readAll(reader, life, [life.rooms.shared, life.rooms.old, life.rooms.left])),
          ).toEqual([])
          expect((await reader.event(life.rooms.shared, life.plain.id))['content']).toEqual({})
          expect((await reader.download(life.media.picture)).status).toBe(404)
        }
        expect(shown.counts.redacted).toBeGreaterThan(0)
        expect(shown.counts.pruned).toBeGreaterThan(0)
        expect(shown.failed_rooms).toEqual([])
        await expectCertificate(world, shown.certificate, receipt)

        expect(await home.stop()).toBe(0)
        expect(forbidden(world, shown, canaries.search(...places))).toEqual([])
        const also = canaries
          .names('gone', 'fleeting', 'never')
          .slice(0, 200)
          .flatMap((name) => ['--also', canaries.of(name)])
        const verified = await home.command('privacy', 'verify', life.alice.userId, ...also)
        expect(verified.code, verified.stdout + verified.stderr).toBe(0)
      },
      240_000,
    )
  })
})

describe('mode forget', () => {
  let world: PrivacyWorld
  let receipt: string
  const held = new Set([
    'message',
    'message before its edit',
    'edit fallback',
    'edit',
    'reply',
    'formatted reply',
    'reaction key',
    'in a thread',
    'mention',
    'custom event',
    'poll question',
    'picture body',
    'file name in the event',
    'with a transaction id',
    'message in an old room',
    'ciphertext',
    'session id',
    'device id',
    'message in a room that was left',
    'redaction reason',
    'redaction reason of another',
    'picture bytes',
    'picture file name',
    'own thumbnail bytes',
  ])

  beforeAll(async () => {
    world = await startPrivacyWorld({ mode: 'forget', engine: 'sqlite', synapse: false })
    receipt = await eraseHerself(world.life)
  }, 400_000)
  afterAll(async () => world?.[Symbol.asyncDispose]())

  atT0(
    () => world,
    () => receipt,
  )

  test('those who were there keep their copy, nobody else does (P2, P3)', async () => {
    const { home, life, cast, carol, canaries, peerServer } = world
    await erasureReaches(home, life.alice.userId, isSettled)
    await erasureReaches(
      home,
      life.alice.userId,
      ({ peers }) => peers.length > 0 && peers.every(({ state }) => state === 'acknowledged'),
    )
    const bobs = (await cast.bob.event(life.rooms.shared, life.plain.id)) as unknown as Event
    expect(bobs.content).toMatchObject({ body: life.plain.body })
    expect(bobs.unsigned?.redacted_because).toBeUndefined()
    for (const id of life.messages.old)
      expect((await cast.bob.event(life.rooms.old, id))['content']).toMatchObject({
        body: canaries.of('message in an old room'),
      })
    expect((await cast.bob.download(life.media.picture)).status).toBe(200)
    expect(leaks(canaries, await readAll(cast.bob, life, [life.rooms.shared, life.rooms.old]), held)).toEqual([])

    expect(leaks(canaries, await readAll(carol, life, [life.rooms.shared, life.rooms.old]))).toEqual([])
    expect((await carol.download(life.media.picture)).status).toBe(404)
    await eventually(
      async () => leaks(canaries, await readAll(cast.peer, life, [life.rooms.shared])).length === 0,
      30_000,
    ).catch(() => undefined)
    expect(leaks(canaries, await readAll(cast.peer, life, [life.rooms.shared]))).toEqual([])
    expect((await cast.peer.download(life.media.picture)).status).toBe(404)
    expect(peerServer.name).not.toBe(home.name)
  })

  test('an operator erases somebody else, stricter; the certificates are a chain', async () => {
    const { home, life, cast } = world
    const { erin } = cast
    const erase = (...more: string[]) =>
      home.command('erase', erin.userId, '--reason', 'asked by letter', '--mode', 'redact', '--json', ...more)
    expect(await erase('--dry-run')).toMatchObject({ code: 0 })
    expect((await erin.call('GET', `${client}/account/whoami`))['user_id']).toBe(erin.userId)
    const { code, stdout, stderr } = await erase('--yes', '--wait')
    expect(code, stderr).toBe(0)
    const answer = JSON.parse(stdout) as Record<string, string>
    expect(answer).toMatchObject({
      user_id: erin.userId,
      mode: 'redact',
      state: expect.stringMatching(/^(SETTLED|CLOSED)$/),
      receipt: expect.stringMatching(/^\S{20,}$/),
    })
    await expect(erin.call('GET', `${client}/account/whoami`)).rejects.toMatchObject({ status: 401 })
    const [first, second] = await Promise.all([life.alice, erin].map(({ userId }) => showErasure(home, userId)))
    const hash = createHash('sha256')
      .update(canonicalJson(first?.certificate as JsonObject))
      .digest('hex')
    expect(second?.certificate).toMatchObject({ previous: hash })
    const { stdout: list } = await home.command('erasure', 'list', '--json')
    expect(JSON.parse(list)).toMatchObject([
      { user_id: life.alice.userId, mode: 'forget' },
      { user_id: erin.userId, mode: 'redact' },
    ])
    expect(await home.command('erase', '@nobody:' + home.name, '--reason', 'x', '--yes')).toMatchObject({ code: 1 })
  }, 60_000)

  test('nothing is left at rest but what somebody holds (P1, P4)', async () => {
    const { home, life, canaries, places } = world
    const shown = await showErasure(home, life.alice.userId)
    expect(shown.mode).toBe('forget')
    await expectCertificate(world, shown.certificate, receipt)
    expect(await home.stop()).toBe(0)
    const seen = canaries.search(...places)
    const names = new Set(seen.map(({ name }) => name))
    for (const name of ['message', 'picture bytes', 'message in an old room']) expect(names).toContain(name)
    const isHeld = ({ name }: Sighting) => held.has(name) || name === 'thumbnail of the picture'
    expect(
      forbidden(
        world,
        shown,
        seen.filter((sighting) => !isHeld(sighting)),
      ),
    ).toEqual([])
    expect(seen.filter(({ name, file }) => name === 'device id' && !/lethe\.db/.test(file))).toEqual([])
  })
})
