import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { afterAll, expect, test, vi } from 'vitest'
import { BlobFiles } from '../../src/media/blob-files.ts'
import type * as durable from '../../src/util/durable-file.ts'

const synced: string[] = []
/** Folders whose first sync takes its time while this is set. */
let slow: Set<string> | undefined
vi.mock('../../src/util/durable-file.ts', async (original) => {
  const real = await original<typeof durable>()
  const syncFolder = async (path: string) => {
    if (slow?.has(path) === false) {
      slow.add(path)
      await pause(50)
    }
    await real.syncFolder(path)
    synced.push(path)
  }
  return { ...real, syncFolder }
})

const root = mkdtempSync(join(tmpdir(), 'lethe-blobs-'))
afterAll(() => rmSync(root, { recursive: true, force: true }))

async function* bytes() {
  yield Buffer.from('the same bytes')
}
const { sha256 } = await new BlobFiles(join(root, 'other')).write(bytes())
const [a, b] = [sha256.slice(0, 2), sha256.slice(2, 4)]
/** Folders synced meanwhile, once each, outermost first. */
async function syncedBy(fn: () => Promise<unknown>): Promise<string[]> {
  synced.length = 0
  await fn()
  return [...new Set(synced)].map((path) => relative(root, path)).toSorted()
}

test('every folder above a blob is synced, also one that somebody else had made; later only its own', async () => {
  const all = ['media', 'media/blobs', `media/blobs/${a}`, `media/blobs/${a}/${b}`]
  const files = new BlobFiles(join(root, 'media'))
  expect(await syncedBy(() => files.write(bytes()))).toEqual(all)
  expect(await syncedBy(() => files.write(bytes()))).toEqual(all.slice(-1))
  // a crash may have come between the making of a folder and its sync
  expect(await syncedBy(() => new BlobFiles(join(root, 'media')).write(bytes()))).toEqual(all)
})

test('two that write at once into a new folder both wait for all of it', async () => {
  const files = new BlobFiles(join(root, 'both'))
  const before = () => new Set(synced.map((path) => relative(root, path)))
  synced.length = 0
  slow = new Set()
  const seen = await Promise.all([files.write(bytes()).then(before), files.write(bytes()).then(before)])
  slow = undefined
  for (const each of seen) expect(each).toContain('both/blobs')
  for (const each of seen) expect(each).toContain('both')
})
