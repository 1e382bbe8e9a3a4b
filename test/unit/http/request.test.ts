import { expect, test } from 'vitest'
import { callOfRequest, rawTarget } from '../../../src/http/call.ts'
import { HttpRequest } from '../../../src/http/request.ts'
import { AddressSet, maskAddress } from '../../../src/util/address.ts'

const make = (peer: string, forwarded: string | undefined, trusted: string[]) =>
  new HttpRequest(
    '1',
    callOfRequest(
      new Request('http://x/', { headers: forwarded === undefined ? {} : { 'x-forwarded-for': forwarded } }),
      peer,
    ),
    {
      trustedProxies: new AddressSet(trusted),
      stopping: new AbortController().signal,
    },
  )

test.each([
  ['203.0.113.5', '198.51.100.1', [], '203.0.113.5'],
  ['10.0.0.1', '198.51.100.1', ['10.0.0.0/8'], '198.51.100.1'],
  ['10.0.0.1', '6.6.6.6, 198.51.100.1, 10.0.0.2', ['10.0.0.0/8'], '198.51.100.1'],
  ['::ffff:10.0.0.1', '198.51.100.1', ['10.0.0.1'], '198.51.100.1'],
  ['10.0.0.1', undefined, ['10.0.0.1'], '10.0.0.1'],
])('from %s, forwarded for %s, trusting %s: %s', (peer, forwarded, trusted, expected) => {
  expect(make(peer, forwarded, trusted).address).toBe(expected)
})

test('the target is kept raw: what a signature covers is what is routed', () => {
  expect(rawTarget('/_matrix/%2e%2e/a?b=%20')).toBe('/_matrix/%2e%2e/a?b=%20')
  expect(rawTarget('http://host:1/_matrix/a?x')).toBe('/_matrix/a?x')
  expect(rawTarget('http://host:1')).toBe('/')
  expect(rawTarget('nonsense')).toBe('/')
  expect(callOfRequest(new Request('http://x/normalised')).target).toBe('/normalised')
})

test.each([
  ['192.0.2.77', 16, 32, '192.0.0.0'],
  ['192.0.2.77', 32, 32, '192.0.2.77'],
  ['192.0.2.77', 0, 32, '0.0.0.0'],
  ['::ffff:192.0.2.77', 16, 32, '192.0.0.0'],
  ['2001:db8:1234:5678::1', 16, 32, '2001:db8::'],
  ['2001:db8:1234:5678::1', 16, 128, '2001:db8:1234:5678::1'],
  ['nonsense', 16, 32, ''],
])('%s masked to %i and %i bits is %s', (address, ipv4, ipv6, expected) => {
  expect(maskAddress(address, { ipv4, ipv6 })).toBe(expected)
})
