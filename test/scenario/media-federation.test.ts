import { existsSync } from 'node:fs'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { readMediaParts } from '../../src/media/multipart.ts'
import { sweepReleased } from '../../src/media/released.ts'
import { sweepRemoteMedia } from '../../src/media/remove.ts'
import type { ServerName } from '../../src/protocol/ids.ts'
import { findMedia } from '../../src/store/media.ts'
import { sqlQuery } from '../../src/store/query.ts'
import { MediaUser } from '../support/media-users.ts'
import { makePng } from '../support/png.ts'
import { RoomsWorld } from '../support/rooms-world.ts'

const part = encodeURIComponent
const soon = { timeout: 20_000, interval: 50 }
const fetches = sqlQuery<object, { origin: string; media_id: string; server: string | null; user: string | null }>(
  'listFetchesOfTest',
  `select m.origin, m.media_id, s.name as server, u.user_id as "user" from media_fetches f join media m on m.media_nid = f.media_nid
     left join servers s on s.server_nid = f.server_nid left join users u on u.user_nid = f.user_nid`,
)

let world: RoomsWorld
beforeEach(async () => {
  world = await RoomsWorld.start('a.test', 'b.test', 'c.test')
}, 60_000)
afterEach(() => world[Symbol.asyncDispose]())

const deps = (server: string) => world.server(server).composed.deps
const rowOn = (server: string, mxc: string) => {
  const [origin = '', id = ''] = mxc.slice(6).split('/')
  return deps(server).database.read((conn) => findMedia(conn, origin, id))
}
const fetchesOn = (server: string) => deps(server).database.read((conn) => fetches(conn))

/** Asks `a.test` as another server. */
async function ask(from: string, path: string) {
  const answer = await deps(from).federation.stream('a.test' as ServerName, {
    method: 'GET',
    path: `/_matrix/federation/v1/media/${path}`,
    maxBytes: 10_000_000,
  })
  const { headers, body } = await readMediaParts(answer.headers['content-type'], answer.body)
  const chunks: Uint8Array[] = []
  for await (const chunk of body) chunks.push(chunk)
  return { headers, bytes: Buffer.concat(chunks) }
}
const refusal = (from: string, mxc: string) =>
  ask(from, `download/${mxc.split('/').at(-1)}`).then(
    () => 'given',
    (error: { remote?: { status: number; errcode: string } }) => `${error.remote?.status} ${error.remote?.errcode}`,
  )

/** Alice on a.test and Bob on b.test in one private room; Carol on c.test in none. */
async function people() {
  const alice = await MediaUser.register(world, 'a.test', 'alice')
  const bob = await MediaUser.register(world, 'b.test', 'bob')
  const carol = await MediaUser.register(world, 'c.test', 'carol')
  const { room_id: room } = await alice.ok('POST', '/client/v3/createRoom', {
    preset: 'private_chat',
    invite: [bob.id],
  })
  await expect
    .poll(async () => (await bob.call('POST', `/client/v3/join/${part(room)}?server_name=a.test`, {})).status, soon)
    .toBe(200)
  return { alice, bob, carol, room: room as string }
}

/** Waits until a user sees an event. */
const sees = (user: MediaUser, room: string, event: string) =>
  expect
    .poll(async () => (await user.call('GET', `/client/v3/rooms/${part(room)}/event/${part(event)}`)).status, soon)
    .toBe(200)

test('files and thumbnails cross servers, to those who have a right, and who fetches is on record before the first byte', async () => {
  const { alice, bob, carol, room } = await people()
  const png = makePng('crossing', { size: 300 })
  const mxc = await alice.upload(png, { name: 'a picture.png' })
  await sees(bob, room, await alice.show(room, mxc))

  const { blobFiles } = deps('a.test')
  const read = blobFiles.read.bind(blobFiles)
  const atFirstByte: unknown[] = []
  blobFiles.read = async (path) => {
    atFirstByte.push(...(await fetchesOn('a.test')))
    return read(path)
  }
  const got = await bob.download(mxc)
  expect([got.status, got.headers.get('content-type'), got.headers.get('content-disposition')]).toEqual([
    200,
    'image/png',
    'inline; filename="a picture.png"',
  ])
  expect(got.bytes).toEqual(png)
  expect(atFirstByte).toContainEqual({
    origin: 'a.test',
    media_id: mxc.split('/').at(-1),
    server: 'b.test',
    user: null,
  })
  expect(await fetchesOn('b.test')).toContainEqual(expect.objectContaining({ origin: 'a.test', user: bob.id }))

  const small = await ask('b.test', `thumbnail/${mxc.split('/').at(-1)}?width=96&height=96&method=crop`)
  expect(small).toMatchObject({ headers: { 'content-type': 'image/png' } })
  expect((await bob.thumbnail(mxc, 96, 96, 'crop')).status).toBe(200)

  // P17: who cannot read the room cannot read its files, whoever they ask.
  expect(await refusal('c.test', mxc)).toBe('404 M_NOT_FOUND')
  expect((await carol.download(mxc)).json.errcode).toBe('M_NOT_FOUND')
  const dora = await MediaUser.register(world, 'a.test', 'dora')
  const eve = await MediaUser.register(world, 'b.test', 'eve')
  expect((await dora.download(mxc)).json.errcode).toBe('M_NOT_FOUND')
  expect((await eve.download(mxc)).json.errcode).toBe('M_NOT_FOUND')
  expect((await eve.thumbnail(mxc, 32, 32)).json.errcode).toBe('M_NOT_FOUND')
  expect((await fetchesOn('a.test')).map(({ server }) => server)).not.toContain('c.test')

  // Ten who ask for one file at once wait for one fetch.
  const other = await alice.upload(makePng('other', { size: 400 }))
  await sees(bob, room, await alice.show(room, other))
  const before = world.network.log.length
  const answers = await Promise.all(Array.from({ length: 10 }, () => bob.download(other)))
  expect(answers.map(({ status }) => status)).toEqual(Array.from({ length: 10 }, () => 200))
  expect(world.network.log.slice(before).filter((line) => line.includes('/media/download/'))).toHaveLength(1)

  // Copies that nobody asks for go, and so do the oldest where there are too many.
  const config = deps('b.test').config
  const media = { ...config.media, remoteCache: { maxSizeBytes: 0, retainMs: 1e12 } }
  await sweepRemoteMedia({ ...deps('b.test'), config: { ...config, media } })
  expect(await rowOn('b.test', other)).toBeUndefined()
  expect((await bob.download(other)).status).toBe(200)
}, 60_000)

test('at T0 a file is gone for the peer as well', async () => {
  const { alice, bob, room } = await people()
  const shown = await alice.upload(makePng('shown'))
  const unseen = await alice.upload(Buffer.from('sealed'), { type: 'application/octet-stream' })
  await sees(bob, room, await alice.show(room, shown))
  expect(await refusal('b.test', shown)).toBe('given')
  expect(await refusal('c.test', unseen)).toBe('given')
  const auth = {
    type: 'm.login.password',
    identifier: { type: 'm.id.user', user: alice.id },
    password: 'correct horse',
  }
  await alice.ok('POST', '/client/v3/account/deactivate', { erase: true, auth })
  for (const mxc of [shown, unseen])
    for (const server of ['b.test', 'c.test']) expect(await refusal(server, mxc)).toBe('404 M_NOT_FOUND')
}, 60_000)

test('a redacted picture is gone for everybody, its uploader too, and a day later from disk; what is shown again stays', async () => {
  const { alice, bob, room } = await people()
  const gone = await alice.upload(makePng('gone', { size: 300 }))
  const again = await alice.upload(makePng('again'))
  const face = await alice.upload(makePng('face'))
  await alice.ok('PUT', `/client/v3/profile/${part(alice.id)}/avatar_url`, { avatar_url: face })
  const events = [await alice.show(room, gone), await alice.show(room, again), await alice.show(room, face)]
  for (const event of events) await sees(bob, room, event)
  for (const mxc of [gone, again]) expect((await bob.download(mxc)).status).toBe(200)
  expect((await bob.thumbnail(gone, 96, 96, 'crop')).status).toBe(200)
  const blob = (await rowOn('a.test', gone))?.sha256 ?? ''
  for (const event of events)
    await alice.ok('PUT', `/client/v3/rooms/${part(room)}/redact/${part(event)}/r${event.slice(1, 9)}`, {})
  expect((await alice.download(gone)).json.errcode).toBe('M_NOT_FOUND')
  expect((await alice.thumbnail(gone, 96, 96)).json.errcode).toBe('M_NOT_FOUND')
  expect(await refusal('b.test', gone)).toBe('404 M_NOT_FOUND')
  await expect.poll(async () => (await bob.download(gone)).status, soon).toBe(404)
  expect((await alice.download(face)).status).toBe(200)

  await sees(bob, room, await alice.show(room, again))
  expect((await alice.download(again)).status).toBe(200)
  await expect.poll(async () => (await bob.download(again)).status, soon).toBe(200)

  for (const server of ['a.test', 'b.test']) {
    await sweepReleased(deps(server))
    expect(await rowOn(server, gone)).toBeDefined()
    const { clock } = deps(server)
    await sweepReleased({ ...deps(server), clock: { ...clock, now: () => clock.now() + 25 * 3_600_000 } })
    expect(await rowOn(server, gone)).toBeUndefined()
    expect(existsSync(deps(server).blobFiles.pathOf(blob))).toBe(false)
    for await (const sha256 of deps(server).blobFiles.list()) expect(sha256).not.toBe(blob)
    expect(await rowOn(server, again)).toMatchObject({ released_ts: null })
  }
  expect((await alice.download(again)).status).toBe(200)
  expect((await alice.download(face)).status).toBe(200)
  expect((await alice.download(gone)).json.errcode).toBe('M_NOT_FOUND')
}, 60_000)

test('a hostile origin: nothing of it is kept, and every answer is an error of ours', async () => {
  const bob = await MediaUser.register(world, 'b.test', 'bob')
  Object.assign(deps('b.test').config.media, { maxUploadBytes: 100_000 })
  const evil = world.evil('evil.test')
  const mixed = { 'content-type': 'multipart/mixed; boundary=b' }
  const file = (body: string | Uint8Array) =>
    Buffer.concat([
      Buffer.from('--b\r\n\r\n{}\r\n--b\r\nContent-Type: image/png\r\n\r\n'),
      Buffer.from(body),
      Buffer.from('\r\n--b--'),
    ])
  const answers: Record<string, () => Response> = {
    noboundary: () => new Response(file('x'), { headers: { 'content-type': 'multipart/mixed' } }),
    html: () => new Response('<html>', { headers: { 'content-type': 'text/html' } }),
    cutoff: () => new Response(file('x').subarray(0, -4), { headers: mixed }),
    onepart: () => new Response('--b\r\n\r\n{}\r\n--b--', { headers: mixed }),
    endless: () => new Response(`--b\r\n\r\n{}\r\n--b\r\nX: ${'x'.repeat(100_000)}`, { headers: mixed }),
    huge: () => new Response(file(Buffer.alloc(100_001)), { headers: mixed }),
    monster: () => new Response(file(Buffer.alloc(300_000)), { headers: mixed }),
    inside: () =>
      new Response('--b\r\n\r\n{}\r\n--b\r\nLocation: http://127.0.0.1/x\r\n\r\n\r\n--b--', { headers: mixed }),
    refused: () => Response.json({ errcode: 'M_FORBIDDEN', error: 'no' }, { status: 403 }),
    missing: () => Response.json({ errcode: 'M_NOT_FOUND', error: 'no' }, { status: 404 }),
    later: () => Response.json({ errcode: 'M_NOT_YET_UPLOADED', error: 'no' }, { status: 504 }),
    toolarge: () => Response.json({ errcode: 'M_TOO_LARGE', error: 'no' }, { status: 413 }),
    broken: () => new Response('oops', { status: 500 }),
    fine: () => new Response(file('fine'), { headers: mixed }),
    elsewhere: () =>
      new Response('--b\r\n\r\n{}\r\n--b\r\nLocation: https://cdn.test/file\r\n\r\n\r\n--b--', { headers: mixed }),
  }
  world.network.add('cdn.test', (request) => {
    expect(request.headers.get('authorization')).toBeNull()
    return new Response('from elsewhere', { headers: { 'content-type': 'text/plain' } })
  })
  evil.handlers.push((request) => {
    const { pathname } = new URL(request.url)
    return pathname.includes('/federation/v1/media/download/')
      ? answers[pathname.split('/').at(-1) ?? '']?.()
      : undefined
  })
  const got = async (id: string) => {
    const answer = await bob.download(`mxc://evil.test/${id}`)
    return answer.status === 200 ? answer.bytes.toString() : `${answer.status} ${answer.json.errcode}`
  }
  for (const id of ['noboundary', 'html', 'cutoff', 'onepart', 'endless', 'inside', 'broken'])
    expect([id, await got(id)]).toEqual([id, '502 M_UNKNOWN'])
  for (const id of ['huge', 'monster', 'toolarge']) expect([id, await got(id)]).toEqual([id, '502 M_TOO_LARGE'])
  for (const id of ['refused', 'missing']) expect([id, await got(id)]).toEqual([id, '404 M_NOT_FOUND'])
  expect(await got('later')).toBe('504 M_NOT_YET_UPLOADED')
  expect(await got('fine')).toBe('fine')
  expect(await got('elsewhere')).toBe('from elsewhere')
  const blobs: string[] = []
  for await (const sha256 of deps('b.test').blobFiles.list()) blobs.push(sha256)
  expect(blobs).toHaveLength(2)
}, 60_000)

test('a server from before signed media is asked as it knows', async () => {
  const bob = await MediaUser.register(world, 'b.test', 'bob')
  const old = world.evil('old.test')
  old.handlers.push((request) => {
    const { pathname, searchParams } = new URL(request.url)
    if (pathname !== '/_matrix/media/v3/download/old.test/abc' || searchParams.get('allow_remote') !== 'false')
      return undefined
    return new Response('old file', {
      headers: { 'content-type': 'text/plain', 'content-disposition': 'attachment; filename=old.txt' },
    })
  })
  const answer = await bob.download('mxc://old.test/abc')
  expect([answer.status, answer.bytes.toString(), answer.headers.get('content-disposition')]).toEqual([
    200,
    'old file',
    'inline; filename=old.txt',
  ])
  expect((await bob.download('mxc://old.test/other')).json.errcode).toBe('M_NOT_FOUND')
  expect(old.received.map(({ target }) => target.split('?')[0])).toContain('/_matrix/federation/v1/media/download/abc')
}, 60_000)
