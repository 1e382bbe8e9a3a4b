import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { BlobFiles } from '../../../src/media/blob-files.ts'
import { deleteBlobFiles, sweepBlobs } from '../../../src/media/remove.ts'
import type { Database } from '../../../src/store/database.ts'
import { insertMedia } from '../../../src/store/media.ts'
import { makePlace } from '../../support/store.ts'
import type { Place } from '../../support/store.ts'

let folder: string
let place: Place
let database: Database
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'lethe-shared-'))
  place = await makePlace('sqlite')
  database = await place.open()
})
afterEach(async () => {
  await place[Symbol.asyncDispose]()
  rmSync(folder, { recursive: true, force: true })
})

const processOf = (nid: number) => ({
  database,
  blobFiles: new BlobFiles(folder, undefined, { owner: () => nid }),
})
const incoming = () => readdirSync(join(folder, 'incoming'))

async function* bytes(text: string): AsyncGenerator<Uint8Array> {
  yield Buffer.from(text)
}

const insertRow = (mediaId: string, { sha256, size }: { sha256: string; size: number }) =>
  database.write((tx) =>
    insertMedia(tx, {
      origin: 'a.test',
      mediaId,
      uploaderNid: 1,
      sha256,
      size,
      contentType: null,
      fileName: null,
      ts: 1,
    }),
  )

test('what a living process is writing is left alone, what a dead one left is not', async () => {
  const [one, two] = [processOf(1), processOf(2)]
  let goOn = () => {}
  const gate = new Promise<void>((resolve) => (goOn = resolve))
  async function* slow(): AsyncGenerator<Uint8Array> {
    yield Buffer.from('first half, ')
    await gate
    yield Buffer.from('second half')
  }
  const writing = two.blobFiles.write(slow())
  await expect.poll(() => existsSync(join(folder, 'incoming')) && incoming().length).toBe(1)
  writeFileSync(join(folder, 'incoming', '3-left-behind'), 'half')
  writeFileSync(join(folder, 'incoming', 'of-an-older-version'), 'half')
  await one.blobFiles.sweep(new Set([1, 2]), () => Promise.resolve(true))
  expect(incoming()).toHaveLength(1)
  goOn()
  const { sha256 } = await writing
  expect(readFileSync(one.blobFiles.pathOf(sha256), 'utf8')).toBe('first half, second half')
  expect(incoming()).toEqual([])
})

test.each(['before', 'after'] as const)(
  'a file whose row comes %s another process has taken it for an orphan is there when the upload is answered',
  async (when) => {
    const [one, two] = [processOf(1), processOf(2)]
    const { sha256 } = await two.blobFiles.write(bytes('the same bytes'), async (blob) => {
      const row = () => insertRow('x', blob)
      if (when === 'after') {
        await deleteBlobFiles(one, [blob.sha256])
        await row()
      } else {
        // the row comes between the two looks of the other process
        let looks = 0
        const deps = {
          blobFiles: one.blobFiles,
          database: new Proxy(database, {
            get: (target, key) => {
              const member = Reflect.get(target, key, target) as unknown
              if (key !== 'read') return typeof member === 'function' ? (member.bind(target) as unknown) : member
              return async (fn: Parameters<Database['read']>[0]) => {
                if (++looks === 3) await row()
                return database.read(fn)
              }
            },
          }),
        }
        await deleteBlobFiles(deps, [blob.sha256])
        expect(looks).toBe(3)
      }
      return blob
    })
    expect(readFileSync(one.blobFiles.pathOf(sha256), 'utf8')).toBe('the same bytes')
    expect(incoming()).toEqual([])
  },
)

test('a file that a killed process had taken aside comes back where a row names it', async () => {
  const [one, two] = [processOf(1), processOf(2)]
  const used = await two.blobFiles.write(bytes('used'))
  const unused = await two.blobFiles.write(bytes('unused'))
  await insertRow('used', used)
  for (const { sha256 } of [used, unused]) {
    const path = one.blobFiles.pathOf(sha256)
    writeFileSync(join(folder, 'incoming', `gone-${sha256}-x`), readFileSync(path))
    rmSync(path)
  }
  await sweepBlobs(one)
  expect(readFileSync(one.blobFiles.pathOf(used.sha256), 'utf8')).toBe('used')
  expect(existsSync(one.blobFiles.pathOf(unused.sha256))).toBe(false)
  expect(incoming()).toEqual([])
})
