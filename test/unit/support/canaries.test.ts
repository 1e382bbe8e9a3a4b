import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { Canaries } from '../../support/canaries.ts'

const folder = mkdtempSync(join(tmpdir(), 'lethe-canaries-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const mebibyte = 1024 * 1024

describe('the search for canaries sees', () => {
  const canaries = new Canaries()
  const text = canaries.of('message')
  canaries.of('other')
  test.each([
    ['plain text', Buffer.from(`before ${text} after`)],
    ['a text that ends the file', Buffer.from(text)],
    ['UTF-16', Buffer.from(text, 'utf16le')],
    ['hex', Buffer.from(Buffer.from(text).toString('hex'))],
    [
      'a text across pieces of the file',
      Buffer.concat([Buffer.alloc(4 * mebibyte - 7), Buffer.from(text), Buffer.alloc(9 * mebibyte)]),
    ],
    ['a text near the end of a long file', Buffer.concat([Buffer.alloc(4 * mebibyte), Buffer.from(text)])],
  ])('%s', (name, bytes) => {
    const below = join(folder, name)
    mkdirSync(below)
    writeFileSync(join(below, 'file'), bytes)
    expect(canaries.search(below).map((seen) => seen.name)).toEqual(['message'])
  })

  test.each([0, 1, 2])('base64, shifted by %i', (shift) => {
    writeFileSync(join(folder, `base64-${shift}`), Buffer.from('x'.repeat(shift) + text).toString('base64'))
    expect(canaries.search(join(folder, `base64-${shift}`))).toHaveLength(1)
  })

  test('pieces of bytes, and names in a text', () => {
    canaries.addBytes('thumbnail', Buffer.from('ff00aa11', 'hex'))
    writeFileSync(join(folder, 'bytes'), Buffer.from('1122ff00aa1133', 'hex'))
    expect(canaries.search(join(folder, 'bytes'), join(folder, 'missing')).map(({ name }) => name)).toEqual([
      'thumbnail',
    ])
    expect(canaries.inText(`{"a":"${text}","b":"${canaries.of('other')}"}`)).toEqual(['message', 'other'])
  })
})
