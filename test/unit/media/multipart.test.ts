import { expect, test } from 'vitest'
import { formatMediaParts, MultipartError, readMediaParts } from '../../../src/media/multipart.ts'

/** A stream that knows whether its reader left it. */
function source(bytes: Uint8Array, size: number) {
  const seen = { ended: false }
  async function* chunks() {
    try {
      for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size)
    } finally {
      seen.ended = true
    }
  }
  return { seen, chunks: chunks() }
}

async function read(
  text: string | Uint8Array,
  contentType: string | undefined = 'multipart/mixed; boundary=b',
  size = 1,
) {
  const { seen, chunks } = source(Buffer.from(text), size)
  try {
    const { headers, body } = await readMediaParts(contentType, chunks)
    const all: Uint8Array[] = []
    for await (const chunk of body) all.push(chunk)
    return { headers: { ...headers }, body: Buffer.concat(all), seen }
  } catch (error) {
    if (contentType?.includes('boundary=b')) expect(seen.ended).toBe(true)
    throw error
  }
}

test.each([1, 2, 3, 7, 64, 100_000])('what is written is read again, in chunks of %i bytes', async (size) => {
  const file = Buffer.from(`\r\n--b\r\n\r\n--\r\n-${'x'.repeat(500)}\r\n--c--\r\n\0ÿ`, 'latin1')
  const headers = { 'Content-Type': 'image/png', 'Content-Disposition': 'inline; filename="a b.png"' }
  const { before, after } = formatMediaParts('bound', headers)
  const answer = Buffer.concat([Buffer.from(before), file, Buffer.from(after)])
  const parts = await read(answer, 'multipart/mixed; boundary=bound', size)
  expect(parts.body).toEqual(file)
  expect(parts.headers).toEqual({ 'content-type': 'image/png', 'content-disposition': 'inline; filename="a b.png"' })
  expect(parts.seen.ended).toBe(true)
})

test('empty files, no headers, a preamble, a quoted boundary', async () => {
  const empty =
    '\r\n--b\r\nContent-Type: application/json\r\n\r\n{}\r\n--b\r\nContent-Type: text/plain\r\n\r\n\r\n--b--'
  expect(await read(empty)).toMatchObject({ headers: { 'content-type': 'text/plain' }, body: Buffer.alloc(0) })
  const bare = '--b\r\n\r\n{}\r\n--b\r\n\r\nfile\r\n--b--'
  expect((await read(bare, 'Multipart/Mixed; charset=utf-8; boundary="b"')).body.toString()).toBe('file')
})

test.each([
  ['no type', '--b\r\n\r\n{}\r\n--b\r\n\r\nfile\r\n--b--', ''],
  ['no boundary', '--b\r\n\r\n{}\r\n--b\r\n\r\nfile\r\n--b--', 'multipart/mixed'],
  ['another type', '--b\r\n\r\n{}\r\n--b\r\n\r\nfile\r\n--b--', 'text/html; boundary=b'],
  ['nothing', '', undefined],
  ['one part', '--b\r\n\r\n{}\r\n--b--', undefined],
  ['cut off in the headers', '--b\r\n\r\n{}\r\n--b\r\nContent-Type: image/png\r\n', undefined],
  ['cut off in the file', '--b\r\n\r\n{}\r\n--b\r\n\r\nfile', undefined],
  ['cut off in the last boundary', '--b\r\n\r\n{}\r\n--b\r\n\r\nfile\r\n--b-', undefined],
])('refused: %s', async (_, text, contentType) => {
  await expect(read(text, contentType)).rejects.toThrow(MultipartError)
})

test.each(['--b\r\nX: ', '--b\r\n\r\n{}\r\n--b\r\nX: ', ''])(
  'endless headers after %j end soon, and the connection with them',
  async (start) => {
    let sent = 0
    let left = false
    async function* endless() {
      try {
        yield Buffer.from(start)
        for (;;) {
          sent += 1024
          yield Buffer.alloc(1024, 'x')
        }
      } finally {
        left = true
      }
    }
    await expect(readMediaParts('multipart/mixed; boundary=b', endless())).rejects.toThrow(MultipartError)
    expect(sent).toBeLessThan(64 * 1024)
    expect(left).toBe(true)
  },
)

test('an endless file is handed over piece by piece, and left when its reader leaves', async () => {
  let left = false
  async function* endless() {
    try {
      yield Buffer.from('--b\r\n\r\n{}\r\n--b\r\n\r\n')
      for (;;) yield Buffer.alloc(1024, 'x')
    } finally {
      left = true
    }
  }
  const { body } = await readMediaParts('multipart/mixed; boundary=b', endless())
  let size = 0
  for await (const chunk of body) {
    size += chunk.length
    if (size > 100_000) break
  }
  expect(left).toBe(true)
})

test('a header of another server is no key of ours', async () => {
  const { headers } = await read('--b\r\n\r\n{}\r\n--b\r\n__proto__: x\r\nconstructor: y\r\n\r\nfile\r\n--b--')
  expect(Object.keys(headers)).toEqual(expect.arrayContaining(['constructor']))
  expect(({} as Record<string, unknown>)['x']).toBeUndefined()
})
