import { describe, expect, test } from 'vitest'
import {
  isCompliantUserId,
  isHashRoomId,
  isHistoricalUserId,
  isValidLocalpart,
  localpartOf,
  makeUserId,
  parseEventId,
  parseKeyId,
  parseRoomAlias,
  parseRoomId,
  parseServerName,
  parseUserId,
  serverNameOf,
  type UserId,
} from '../../../src/protocol/ids.ts'
import { isIpv6, splitServerName } from '../../../src/protocol/server-name.ts'

const hash = 'Rqnc-F-dvnEYJTyHq_iKxU2bZ1CI92-kuZq3a5lr5Zg'

describe('server names', () => {
  test.each([
    'matrix.org',
    'matrix.org:8888',
    '1.2.3.4',
    '1.2.3.4:1234',
    '[1234:5678::abcd]',
    '[1234:5678::abcd]:5678',
    'localhost',
    'A-b.C',
    '[::1]',
    '[::]',
    '[::ffff:1.2.3.4]:1',
    'a'.repeat(255),
  ])('%s is one', (name) => expect(parseServerName(name)).toBe(name))
  test.each([
    '',
    ':',
    'a:',
    'a:123456',
    'a:1x',
    'a_b',
    'a b',
    'exämple.org',
    '[::1',
    '::1',
    '[1.2.3.4]',
    '[::1]x',
    '[::1]:',
    '[gggg::]',
    '[1::2::3]',
    '[1:2:3:4:5:6:7:8:9]',
    '[1:2:3]',
    '[fe80::1%eth0]',
    'a/b',
    'a\0',
    'a'.repeat(256),
    7,
    null,
    undefined,
  ])('%j is none', (name) => expect(parseServerName(name)).toBeUndefined())
  test('are taken apart', () => {
    expect(splitServerName('[::1]:8448')).toEqual({ kind: 'ipv6', host: '::1', port: 8448 })
    expect(splitServerName('1.2.3.4')).toEqual({ kind: 'ipv4', host: '1.2.3.4', port: undefined })
    expect(splitServerName('hs.example:1')).toEqual({ kind: 'dns', host: 'hs.example', port: 1 })
    expect(splitServerName('999.1.1.1')?.kind).toBe('dns')
  })
  test('IPv6 addresses', () => {
    for (const yes of ['::', '1::', '::1', '1:2:3:4:5:6:7:8', '1:2:3:4:5:6:7::', '1:2:3:4:5:6:1.2.3.4'])
      expect(isIpv6(yes)).toBe(true)
    for (const no of [':', ':::', '1:2:3:4:5:6:7:8::', '1:2:3:4:5:6:7:1.2.3.4', '1.2.3.4::', '::1.2.3.256', '12345::'])
      expect(isIpv6(no)).toBe(false)
  })
})

describe('user ids', () => {
  test.each(['@alice:example.org', '@a.b_c=d-e/f+g:x:1', '@UPPER:x', '@:x', '@日本:x', '@a b\n:x', '@a:[::1]:80'])(
    '%j is one',
    (id) => expect(parseUserId(id)).toBe(id),
  )
  test.each([
    'alice:x',
    '@alice',
    '@a:',
    '@a:b:c',
    '@a\0:x',
    '@a\ud800:x',
    '#a:x',
    '@a:x_y',
    1,
    `@${'a'.repeat(252)}:xy`,
    `@${'é'.repeat(127)}:x`,
  ])('%j is none', (id) => expect(parseUserId(id)).toBeUndefined())
  test('may be of 255 bytes', () => {
    expect(parseUserId(`@${'a'.repeat(252)}:x`)).toBeDefined()
    expect(parseUserId(`@${'é'.repeat(126)}:x`)).toBeDefined()
  })
  test('the grammar for new ones is narrow', () => {
    for (const yes of ['alice', '0', 'a.b_c=d-e/f+g']) expect(isValidLocalpart(yes)).toBe(true)
    for (const no of ['', 'Alice', 'a b', 'é', 'a:b', 'a#', 'a\n']) expect(isValidLocalpart(no)).toBe(false)
  })
  test('historical ones are accepted, and only printable ASCII ones are shown out of events', () => {
    const facts = (id: string) => [isHistoricalUserId(id as UserId), isCompliantUserId(id as UserId)]
    expect(facts('@alice:x')).toEqual([false, true])
    expect(facts('@Alice#1:x')).toEqual([true, true])
    expect(facts('@:x')).toEqual([true, false])
    expect(facts('@a b:x')).toEqual([true, false])
    expect(facts('@é:x')).toEqual([true, false])
  })
  test('are made and taken apart', () => {
    const id = makeUserId('alice', 'example.org:8448' as never)
    expect([id, serverNameOf(id), localpartOf(id)]).toEqual(['@alice:example.org:8448', 'example.org:8448', 'alice'])
  })
})

test('room ids', () => {
  for (const id of ['!abc:example.org', '!a b/ß:x', `!${hash}`]) expect(parseRoomId(id)).toBe(id)
  for (const id of [
    '!abc',
    '!',
    `!${hash}a`,
    `!${hash.replace('-', '/')}`,
    'abc:x',
    '!a:',
    '!a\0:x',
    `!${'a'.repeat(253)}:x`,
    {},
  ]) {
    expect(parseRoomId(id)).toBeUndefined()
  }
  expect(isHashRoomId(`!${hash}`)).toBe(true)
  expect(isHashRoomId('!abc:example.org')).toBe(false)
  expect(serverNameOf(`!${hash}`)).toBeUndefined()
  expect(localpartOf(`!${hash}`)).toBe(hash)
})

test('event ids', () => {
  for (const id of ['$abc:example.org', `$${hash}`, '$acR1l0raoZnm60CBwAVgqbZqoO/mYU81xysh1u7XcJk'])
    expect(parseEventId(id)).toBe(id)
  for (const id of ['$abc', `${hash}`, `$${hash}=`, '$a:x_y', '$']) expect(parseEventId(id)).toBeUndefined()
})

test('room aliases', () => {
  for (const alias of ['#a:x', '#日本 room:example.org:1']) expect(parseRoomAlias(alias)).toBe(alias)
  for (const alias of ['#a', 'a:x', '#a:b:c', '#a\0:x', `#${'a'.repeat(253)}:x`])
    expect(parseRoomAlias(alias)).toBeUndefined()
})

test('key ids', () => {
  for (const id of ['ed25519:a_1', 'ed25519:1']) expect(parseKeyId(id)).toBe(id)
  for (const id of ['ed25519:', 'ed25519:a-b', 'curve25519:a', 'ed25519', 'ed25519:a:b', 3])
    expect(parseKeyId(id)).toBeUndefined()
})
