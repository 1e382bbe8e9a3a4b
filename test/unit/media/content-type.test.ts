import { expect, test } from 'vitest'
import {
  cleanContentType,
  cleanFileName,
  contentDisposition,
  fileNameOf,
  storedContentType,
} from '../../../src/media/content-type.ts'

test.each([
  ['image/png', 'image/png'],
  ['text/plain; charset=utf-8', 'text/plain; charset=utf-8'],
  ['image/png\r\nSet-Cookie: a=b', 'application/octet-stream'],
  ['not a type', 'application/octet-stream'],
  ['', 'application/octet-stream'],
  [undefined, 'application/octet-stream'],
  [`image/${'x'.repeat(300)}`, 'application/octet-stream'],
])('type %j is kept as %j', (given, kept) => {
  expect(cleanContentType(given)).toBe(kept)
})

test.each([
  ['text/html', 'attachment'],
  ['image/svg+xml', 'attachment'],
  ['IMAGE/PNG', 'inline'],
  ['text/plain; charset=utf-8', 'inline'],
  ['application/pdf', 'attachment'],
  ['application/octet-stream', 'attachment'],
])('%s is shown %s', (type, kind) => {
  expect(contentDisposition(type, null)).toBe(kind)
})

test.each(['a.png', 'a b".png', 'naïve “quotes”.txt', '../../etc/passwd', "it's (1).png", '漢字.txt', 'a\\b'])(
  'the name %j comes back from its header',
  (name) => {
    const header = contentDisposition('image/png', name)
    expect(header).toMatch(/^[\x20-\x7e]+$/)
    expect(fileNameOf(header)).toBe(name)
  },
)

test('names lose what could break a header, and end at 255 bytes', () => {
  expect(cleanFileName('a\r\nSet-Cookie: b')).toBe('aSet-Cookie: b')
  expect(cleanFileName('\0\n')).toBeNull()
  expect(Buffer.byteLength(cleanFileName('ä'.repeat(300)) ?? '')).toBe(254)
  expect(fileNameOf('attachment')).toBeNull()
  expect(fileNameOf("attachment; filename*=utf-8''%ff")).toBeNull()
})

test('markup that calls itself a picture is no picture', () => {
  const html = Buffer.from('\n <html><script>1</script>')
  expect(storedContentType('image/png', html)).toBe('application/octet-stream')
  expect(storedContentType('text/html', html)).toBe('text/html')
  expect(storedContentType('image/svg+xml', html)).toBe('image/svg+xml')
  expect(storedContentType('image/png', Buffer.from('bytes'))).toBe('image/png')
})
