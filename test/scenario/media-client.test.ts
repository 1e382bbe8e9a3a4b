import { existsSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { crc32 } from 'node:zlib'
import sharp from 'sharp'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { sweepBlobs } from '../../src/media/remove.ts'
import { sweepReservations } from '../../src/media/upload.ts'
import { findMedia } from '../../src/store/media.ts'
import { MediaUser } from '../support/media-users.ts'
import { makePng } from '../support/png.ts'
import { RoomsWorld } from '../support/rooms-world.ts'

let world: RoomsWorld
let alice: MediaUser
let bob: MediaUser
beforeAll(async () => {
  world = await RoomsWorld.start('a.test')
  alice = await MediaUser.register(world, 'a.test', 'alice')
  bob = await MediaUser.register(world, 'a.test', 'bob')
}, 60_000)
afterAll(() => world[Symbol.asyncDispose]())

const deps = () => world.server('a.test').composed.deps
const text = (value: string) => Buffer.from(value)
const idOf = (mxc: string) => mxc.slice('mxc://a.test/'.length)
const rowOf = (mxc: string) => deps().database.read((conn) => findMedia(conn, 'a.test', idOf(mxc)))

/** Everything under `blobs`, `thumbnails` and `incoming`. */
function filesIn(...names: string[]): string[] {
  const { folder } = deps().blobFiles
  return names.flatMap((name) =>
    existsSync(join(folder, name))
      ? readdirSync(join(folder, name), { recursive: true, withFileTypes: true })
          .filter((entry) => entry.isFile())
          .map((entry) => join(entry.parentPath, entry.name))
      : [],
  )
}

async function withConfig(changed: object, fn: () => Promise<void>): Promise<void> {
  const { media } = deps().config
  const before = { ...media }
  Object.assign(media, changed)
  try {
    await fn()
  } finally {
    Object.assign(media, before)
  }
}

test('an upload comes back byte for byte, with its name, and with headers that keep it from doing harm', async () => {
  const png = makePng('round trip')
  const mxc = await alice.upload(png, { name: 'naïve “file”.png' })
  expect(mxc).toMatch(/^mxc:\/\/a\.test\/[A-Za-z0-9_-]{20,}$/)
  const answer = await bob.download(mxc)
  expect(answer.status).toBe(200)
  expect(answer.bytes).toEqual(png)
  expect(Object.fromEntries(answer.headers)).toMatchObject({
    'content-type': 'image/png',
    'content-length': String(png.length),
    'content-disposition': "inline; filename*=utf-8''na%C3%AFve%20%E2%80%9Cfile%E2%80%9D.png",
    'x-content-type-options': 'nosniff',
    'cross-origin-resource-policy': 'cross-origin',
    'content-security-policy': expect.stringContaining('sandbox'),
    'access-control-allow-origin': '*',
  })
  expect((await bob.download(mxc, '/other.png')).headers.get('content-disposition')).toBe('inline; filename=other.png')
  expect((await bob.call('HEAD', `/client/v1/media/download/${mxc.slice(6)}`)).status).toBe(200)
  expect((await MediaUser.nobody(world, 'a.test').download(mxc)).json.errcode).toBe('M_MISSING_TOKEN')
})

test.each([
  ['text/html', '<html><script>alert(1)</script>'],
  ['image/svg+xml', '<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'],
  ['application/xhtml+xml', '<html/>'],
  ['application/javascript', 'alert(1)'],
  ['image/png', '  <html><script>alert(1)</script>'],
  ['', 'anything'],
])('%s comes back as an attachment', async (type, body) => {
  const mxc = await alice.upload(text(body), { type, name: 'x.html' })
  const { headers } = await bob.download(mxc)
  expect(headers.get('content-disposition')).toBe('attachment; filename=x.html')
  expect(headers.get('x-content-type-options')).toBe('nosniff')
})

test.each([
  '/client/v1/media/download/a.test/..%2f..%2fetc%2fpasswd',
  '/client/v1/media/download/a.test/abc%2e%2e',
  '/client/v1/media/download/..%2f..%2f/abc',
  '/client/v1/media/download/a.test%2f..%2f..%2fb/abc',
  '/client/v1/media/download/a.test/abc%00',
  '/client/v1/media/download/127.0.0.1%3A1%2F..%2F/abc',
  `/client/v1/media/download/a.test/${'x'.repeat(300)}`,
  '/client/v1/media/thumbnail/a.test/..%2f..%2fx?width=1&height=1',
  '/client/v1/media/thumbnail/a.test/abc?width=-1&height=1',
  '/client/v1/media/thumbnail/a.test/abc?width=abc&height=1',
  '/client/v1/media/thumbnail/a.test/abc?width=10&height=10&method=stretch',
])('refused: %s', async (path) => {
  expect((await bob.call('GET', path)).json.errcode).toBe('M_INVALID_PARAM')
})

test('the name in the path is only a name', async () => {
  const mxc = await alice.upload(text('hello'), { type: 'text/plain' })
  const { status, headers, bytes } = await bob.download(mxc, '/..%2f..%2fetc%2fpasswd%0d%0aSet-Cookie:a')
  expect({ status, body: bytes.toString() }).toEqual({ status: 200, body: 'hello' })
  expect(headers.get('content-disposition')).toBe('inline; filename="../../etc/passwdSet-Cookie:a"')
  expect(headers.get('set-cookie')).toBeNull()
})

test('files that are too large, declared or not, are refused and leave nothing', async () => {
  const before = filesIn('blobs', 'incoming')
  await withConfig({ maxUploadBytes: 1000 }, async () => {
    const large = Buffer.alloc(1001, 'x')
    const answer = await alice.call('POST', '/media/v3/upload', large, 'text/plain')
    expect([answer.status, answer.json.errcode]).toEqual([413, 'M_TOO_LARGE'])
    for (const path of ['/client/v1/media/config', '/media/v3/config', '/media/r0/config'])
      expect((await alice.call('GET', path)).json).toEqual({ 'm.upload.size': 1000 })
    const { content_uri: uri } = await alice.ok('POST', '/media/v1/create', {})
    expect((await alice.call('PUT', `/media/v3/upload/${uri.slice(6)}`, large, 'text/plain')).status).toBe(413)
    expect((await alice.call('PUT', `/media/v3/upload/${uri.slice(6)}`, Buffer.alloc(1000), 'text/plain')).status).toBe(
      200,
    )
  })
  expect(filesIn('blobs', 'incoming')).toHaveLength(before.length + 1)
})

test('an address made before its upload', async () => {
  const { content_uri: uri, unused_expires_at: expires } = await alice.ok('POST', '/media/v1/create', {})
  expect(expires).toBeGreaterThan(deps().clock.now())
  const early = await bob.download(uri, '?timeout_ms=0')
  expect([early.status, early.json.errcode]).toEqual([504, 'M_NOT_YET_UPLOADED'])
  const waiting = bob.download(uri)
  const put = (who: MediaUser, body: string) =>
    who.call('PUT', `/media/v3/upload/${uri.slice(6)}`, text(body), 'text/plain')
  expect((await put(bob, 'mine')).json.errcode).toBe('M_FORBIDDEN')
  const answers = await Promise.all([put(alice, 'one'), put(alice, 'two')])
  expect(answers.map(({ status }) => status).toSorted((x, y) => x - y)).toEqual([200, 409])
  expect((await put(alice, 'three')).json.errcode).toBe('M_CANNOT_OVERWRITE_MEDIA')
  expect((await waiting).bytes.toString()).toBe(answers[0]?.status === 200 ? 'one' : 'two')
  expect((await alice.call('PUT', '/media/v3/upload/a.test/unknown', text('x'))).status).toBe(404)
  const { content_uri: unused } = await alice.ok('POST', '/media/v1/create', {})
  const clock = { ...deps().clock, now: () => deps().clock.now() + 24 * 3_600_000 + 1 }
  await sweepReservations({ ...deps(), clock })
  expect(await rowOf(unused)).toBeUndefined()
  expect(await rowOf(uri)).toBeDefined()
})

test('no more than fifty addresses wait for their uploads', async () => {
  const carol = await MediaUser.register(world, 'a.test', 'carol')
  for (let i = 0; i < 50; i++) await carol.ok('POST', '/media/v1/create', {})
  const answer = await carol.call('POST', '/media/v1/create', {})
  expect([answer.status, answer.json.errcode]).toEqual([429, 'M_LIMIT_EXCEEDED'])
})

test('fifty uploads of the same bytes at once are fifty files and one blob, which goes with the last', async () => {
  const body = makePng('fifty')
  const before = filesIn('blobs').length
  const uris = await Promise.all(Array.from({ length: 50 }, (_, i) => (i % 2 ? alice : bob).upload(body)))
  expect(new Set(uris).size).toBe(50)
  expect(filesIn('blobs')).toHaveLength(before + 1)
  const answers = await Promise.all(uris.map((uri) => bob.download(uri)))
  for (const { bytes } of answers) expect(bytes).toEqual(body)
  // Sweeping while uploads go on takes nothing away.
  const more = Promise.all(
    Array.from({ length: 30 }, (_, i) => alice.upload(text(`file ${i % 3}`), { type: 'text/plain' })),
  )
  for (let i = 0; i < 5; i++) await sweepBlobs(deps())
  for (const uri of await more) expect((await bob.download(uri)).status).toBe(200)
}, 120_000)

test('a missing file is 404, and orphans are swept', async () => {
  const mxc = await alice.upload(text('soon gone'), { type: 'text/plain' })
  const kept = await alice.upload(makePng('kept', { size: 300 }))
  expect((await bob.thumbnail(kept, 96, 96, 'crop')).status).toBe(200)
  const { blobFiles } = deps()
  const sha256 = (await rowOf(mxc))?.sha256 ?? ''
  rmSync(blobFiles.pathOf(sha256))
  expect((await bob.download(mxc)).json.errcode).toBe('M_NOT_FOUND')
  expect((await bob.thumbnail(mxc, 10, 10)).json.errcode).toBe('M_NOT_FOUND')
  const orphan = await blobFiles.write(
    (async function* () {
      yield text('orphan')
    })(),
  )
  const size = { width: 1, height: 1, method: 'crop', animated: false }
  await blobFiles.writeThumbnail(blobFiles.thumbnailPathOf(orphan.sha256, size), text('orphan'))
  writeFileSync(join(blobFiles.folder, 'incoming', 'half-written'), 'half')
  writeFileSync(join(blobFiles.folder, 'blobs', 'stray'), 'not ours')
  const before = filesIn('thumbnails').length
  await sweepBlobs(deps())
  expect(existsSync(blobFiles.pathOf(orphan.sha256))).toBe(false)
  expect(filesIn('thumbnails')).toHaveLength(before - 1)
  expect(filesIn('incoming')).toEqual([])
  expect((await bob.download(kept)).status).toBe(200)
  rmSync(join(blobFiles.folder, 'blobs', 'stray'))
})

// The server lets the decoder read nothing but files of a few kinds, for the whole process.
async function look(bytes: Uint8Array): Promise<{ size: number[]; pages: number }> {
  const file = join(deps().blobFiles.folder, 'looked-at')
  writeFileSync(file, bytes)
  const { width, height, pages = 1 } = await sharp(file).metadata()
  rmSync(file)
  return { size: [width, height], pages }
}

test('thumbnails: as large as asked for or larger, in shape, never upscaled, small pictures as they are', async () => {
  const wide = await sharp({ create: { width: 1000, height: 500, channels: 3, background: 'red' } })
    .jpeg()
    .toBuffer()
  const mxc = await alice.upload(wide, { type: 'image/jpeg' })
  const sizeOf = async (width: number, height: number, method: string) => {
    const answer = await bob.thumbnail(mxc, width, height, method)
    expect(answer.status).toBe(200)
    return (await look(answer.bytes)).size
  }
  expect(await sizeOf(32, 32, 'crop')).toEqual([32, 32])
  expect(await sizeOf(96, 96, 'crop')).toEqual([96, 96])
  expect(await sizeOf(320, 240, 'scale')).toEqual([480, 240])
  expect(await sizeOf(640, 480, 'scale')).toEqual([960, 480])
  expect(await sizeOf(100, 25, 'crop')).toEqual([240, 60])
  expect(await sizeOf(5000, 5000, 'scale')).toEqual([1000, 500])
  expect(await sizeOf(2000, 100, 'crop')).toEqual([1000, 100])
  const small = makePng('small', { size: 20 })
  const asItIs = await bob.thumbnail(await alice.upload(small, { type: 'text/html', name: 'x.html' }), 96, 96)
  expect(asItIs.bytes).toEqual(small)
  expect(asItIs.headers.get('content-type')).toBe('image/png')
  expect(asItIs.headers.get('content-disposition')).toBe('inline; filename=thumbnail.png')
  const first = await bob.thumbnail(mxc, 96, 96, 'crop')
  expect((await bob.thumbnail(mxc, 96, 96, 'crop')).bytes).toEqual(first.bytes)
})

test('what moves stands still unless asked to move', async () => {
  const pixels = Buffer.concat([Buffer.alloc(200 * 200 * 3, 20), Buffer.alloc(200 * 200 * 3, 200)])
  const gif = await sharp(pixels, { raw: { width: 200, height: 400, channels: 3, pageHeight: 200 } })
    .gif()
    .toBuffer()
  const mxc = await alice.upload(gif, { type: 'image/gif' })
  const pagesOf = async (width: number, more: string) =>
    (await look((await bob.thumbnail(mxc, width, width, 'scale', more)).bytes)).pages
  expect(await pagesOf(96, '&animated=true')).toBe(2)
  expect(await pagesOf(96, '&animated=false')).toBe(1)
  expect(await pagesOf(96, '')).toBe(1)
  expect(await pagesOf(800, '')).toBe(1)
  expect(await pagesOf(800, '&animated=true')).toBe(2)
})

test.each(['jpeg', 'png', 'webp', 'gif', 'avif'] as const)('a thumbnail of a picture of type %s', async (format) => {
  const picture = await sharp({ create: { width: 400, height: 300, channels: 3, background: 'blue' } })
    [format]()
    .toBuffer()
  const answer = await bob.thumbnail(await alice.upload(picture, { type: `image/${format}` }), 96, 96, 'crop')
  expect(answer.headers.get('content-type')).toBe(format === 'jpeg' ? 'image/jpeg' : 'image/png')
  expect((await look(answer.bytes)).size).toEqual([96, 96])
})

test('a picture of 20,000 by 20,000 is refused before it is decoded; what is no picture has no thumbnail', async () => {
  const bomb = makePng('bomb')
  bomb.writeUInt32BE(20_000, 16)
  bomb.writeUInt32BE(20_000, 20)
  bomb.writeUInt32BE(crc32(bomb.subarray(12, 29)), 29)
  const answer = await bob.thumbnail(await alice.upload(bomb), 96, 96)
  expect([answer.status, answer.json.errcode]).toEqual([413, 'M_TOO_LARGE'])
  const svg = '<svg xmlns="http://www.w3.org/2000/svg" width="300" height="300"><image href="/etc/passwd"/></svg>'
  const broken = makePng('broken', { size: 300 }).subarray(0, 2000)
  for (const body of [text(svg), text('plain text'), text('%PDF-1.4'), broken, Buffer.alloc(0)]) {
    const refused = await bob.thumbnail(await alice.upload(body), 96, 96)
    expect([refused.status, refused.json?.errcode]).toEqual([400, 'M_UNKNOWN'])
  }
  // The next picture is scaled as ever.
  expect((await bob.thumbnail(await alice.upload(makePng('fine', { size: 300 })), 96, 96)).status).toBe(200)
})

test('without an account: nothing, unless the configuration leaves our own files open', async () => {
  const png = makePng('open', { size: 300 })
  const mxc = await alice.upload(png, { name: 'open.png' })
  const nobody = MediaUser.nobody(world, 'a.test')
  const paths = [
    `/media/v3/download/${mxc.slice(6)}`,
    `/media/v3/download/${mxc.slice(6)}/x.png`,
    `/media/v3/thumbnail/${mxc.slice(6)}?width=96&height=96&method=crop`,
  ]
  const all = paths.flatMap((path) => [path, path.replace('v3', 'r0'), path.replace('v3', 'v1')])
  for (const path of all) {
    const answer = await nobody.call('GET', path)
    expect([answer.status, answer.json.errcode]).toEqual([404, 'M_NOT_FOUND'])
  }
  const evil = world.evil('open.evil')
  await withConfig({ unauthenticatedAccess: true }, async () => {
    for (const path of all) expect((await nobody.call('GET', path)).status).toBe(200)
    expect((await nobody.call('GET', paths[0] as string)).bytes).toEqual(png)
    expect((await nobody.call('GET', '/media/v3/download/open.evil/abc?allow_remote=true')).status).toBe(404)
    expect((await nobody.call('GET', '/media/v3/download/a.test/unknown')).status).toBe(404)
  })
  expect(evil.received).toEqual([])
})
