import { describe, expect, test } from 'vitest'
import { isServerAllowed } from '../../../src/protocol/server-acl.ts'

describe('server ACL', () => {
  test('without one all are allowed, with an empty one none', () => {
    expect(isServerAllowed('a.example', undefined)).toBe(true)
    expect(isServerAllowed('a.example', {})).toBe(false)
    expect(isServerAllowed('a.example', { allow: 'a.example' })).toBe(false)
    expect(isServerAllowed('a.example', { allow: ['*'] })).toBe(true)
  })

  test('deny comes before allow', () => {
    const content = { allow: ['*'], deny: ['evil.example', '*.evil.example', 'bad?.example', 7, null] }
    expect(isServerAllowed('evil.example', content)).toBe(false)
    expect(isServerAllowed('a.b.evil.example', content)).toBe(false)
    expect(isServerAllowed('notevil.example', content)).toBe(true)
    expect(isServerAllowed('bad1.example', content)).toBe(false)
    expect(isServerAllowed('bad12.example', content)).toBe(true)
  })

  test('port, case and a final dot are no way around', () => {
    const content = { allow: ['*'], deny: ['EVIL.example'] }
    for (const name of [
      'evil.example',
      'evil.example:8448',
      'Evil.Example:1234',
      'evil.example.',
      'evil.example.:8448',
    ]) {
      expect(isServerAllowed(name, content)).toBe(false)
    }
  })

  test('IP literals', () => {
    const refused = { allow: ['*'], allow_ip_literals: false }
    const names = ['1.2.3.4', '1.2.3.4:8448', '[::1]', '[::1]:8448']
    for (const name of names) expect(isServerAllowed(name, refused)).toBe(false)
    expect(isServerAllowed('1.2.3.4.example', refused)).toBe(true)
    for (const name of names) {
      expect(isServerAllowed(name, { allow: ['*'] })).toBe(true)
      expect(isServerAllowed(name, { allow: ['*'], allow_ip_literals: 'false' })).toBe(true)
    }
    expect(isServerAllowed('[2001:db8::1]:8448', { allow: ['*'], deny: ['[2001:DB8:*]'] })).toBe(false)
  })

  test('3,000 globs and as many names stay cheap', () => {
    const deny = Array.from({ length: 3000 }, (_, at) =>
      at % 3 === 0 ? `*bad${at}*` : at % 3 === 1 ? `*.b${at}.example` : `c${at}.example`,
    )
    const content = { allow: ['*'], deny }
    expect(isServerAllowed('x.b1.example', content)).toBe(false)
    expect(isServerAllowed('c2.example', content)).toBe(false)
    expect(isServerAllowed('xbad3y', content)).toBe(false)
    const start = process.hrtime.bigint()
    for (let at = 0; at < 20_000; at++) isServerAllowed(`good${at % 100}.example`, content)
    expect(Number(process.hrtime.bigint() - start) / 1e6).toBeLessThan(1000)
  })
})
