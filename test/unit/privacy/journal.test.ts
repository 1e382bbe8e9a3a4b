import { appendFileSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { open } from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { formatLine, Journal, JournalDamaged } from '../../../src/privacy/journal.ts'

let folder = ''
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'lethe-journal-'))
})
afterEach(() => {
  vi.restoreAllMocks()
  rmSync(folder, { recursive: true })
})

const path = () => join(folder, 'sub', 'journal.jsonl')

test('a last line that is torn in its middle is cut off, one before it is not', async () => {
  const journal = await Journal.open(path())
  for (const user of ['@a:a.test', '@b:a.test'] as const) await journal.append({ kind: 'deactivation', ts: 1, user })
  await journal.close()
  const whole = readFileSync(path())
  const end = whole.indexOf(10) + 1
  const torn = Buffer.from(whole)
  torn.fill(0, end + 10, end + 40)
  writeFileSync(path(), torn)
  const again = await Journal.open(path())
  expect(again.lastSeq).toBe(1)
  await again.close()
  expect(readFileSync(path())).toEqual(whole.subarray(0, end))
  const damaged = Buffer.from(whole)
  damaged.fill(0, 10, 40)
  writeFileSync(path(), damaged)
  await expect(Journal.open(path())).rejects.toThrow(JournalDamaged)
})

test('lines come back after a restart, and a torn last one is cut off', async () => {
  const journal = await Journal.open(path())
  await journal.append({ kind: 'deactivation', ts: 1, user: '@a:b' })
  await journal.append({ kind: 'deactivation', ts: 2, user: '@c:b' })
  await journal.close()
  appendFileSync(path(), '{"entry":{"kind":"deac')
  const again = await Journal.open(path())
  expect(again.lastSeq).toBe(2)
  expect(again.after(1).map(({ entry }) => entry)).toEqual([{ kind: 'deactivation', ts: 2, user: '@c:b' }])
  await again.append({ kind: 'void', ts: 3, line: 2 })
  await again.close()
  const third = await Journal.open(path())
  expect(third.lastSeq).toBe(3)
  await third.close()
})

test('a changed, a missing and a foreign line are noticed', async () => {
  const journal = await Journal.open(path())
  for (let ts = 1; ts <= 3; ts++) await journal.append({ kind: 'deactivation', ts, user: '@a:b' })
  await journal.close()
  const text = readFileSync(path(), 'utf8')
  const lines = text.split('\n')
  for (const changed of [
    text.replace('@a:b', '@x:b'),
    [lines[0], lines[2], ''].join('\n'),
    lines.slice(1).join('\n'),
    `{}\n${text}`,
  ]) {
    writeFileSync(path(), changed)
    await expect(Journal.open(path())).rejects.toThrow('line')
  }
})

test('another process adopts lines, and only those that follow its own', async () => {
  const one = await Journal.open(path())
  const two = await Journal.open(join(folder, 'two.jsonl'))
  const first = await one.append({ kind: 'deactivation', ts: 1, user: '@a:b' })
  const second = await one.append({ kind: 'deactivation', ts: 2, user: '@a:b' })
  await expect(two.adopt([second])).rejects.toThrow('does not follow')
  await two.adopt([first, second])
  await two.adopt([first])
  expect(two.after(0).map(formatLine)).toEqual(one.after(0).map(formatLine))
  expect(two.lastHash).toBe(one.lastHash)
  await one.close()
  await two.close()
})

test('the file and the folders above it are synced when it is opened, a line before it is told', async () => {
  const probe = await open(folder, 'r')
  const handles = Object.getPrototypeOf(probe) as FileHandle
  await probe.close()
  const synced: { ino: number; size: number }[] = []
  const { sync } = handles
  const spy = vi.spyOn(handles, 'sync').mockImplementation(async function (this: FileHandle) {
    synced.push(await this.stat())
    await sync.call(this)
  })
  const fatal: Error[] = []
  const journal = await Journal.open(path(), (error) => fatal.push(error))
  const inodes = () => synced.map(({ ino }) => ino)
  for (const each of [folder, dirname(path()), path()]) expect(inodes()).toContain(statSync(each).ino)
  synced.length = 0
  await journal.append({ kind: 'deactivation', ts: 1, user: '@a:b' })
  const { ino, size } = statSync(path())
  expect(synced).toMatchObject([{ ino, size }])
  // what is on disk is unknown then
  spy.mockRejectedValueOnce(new Error('EIO'))
  await expect(journal.append({ kind: 'deactivation', ts: 2, user: '@a:b' })).rejects.toThrow('EIO')
  expect(fatal).toHaveLength(1)
  expect(journal.lastSeq).toBe(1)
  await journal.close()
})
