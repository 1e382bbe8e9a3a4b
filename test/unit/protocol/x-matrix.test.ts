import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { ServerName } from '../../../src/protocol/ids.ts'
import {
  formatXMatrix,
  parseXMatrix,
  requestToSign,
  signRequest,
  verifyRequest,
} from '../../../src/protocol/x-matrix.ts'
import { key } from './events.ts'

const parsed = { origin: 'a.example:8448', destination: 'b.example', key: 'ed25519:k_1', signature: 'ab+/cd' }

describe('the header', () => {
  test.each([
    'X-Matrix origin="a.example:8448",destination="b.example",key="ed25519:k_1",sig="ab+/cd"',
    'X-Matrix origin=a.example:8448,destination=b.example,key=ed25519:k_1,sig="ab+/cd"',
    'X-Matrix origin=a.example:8448,destination=b.example,key=ed25519:k_1,sig=ab+/cd',
    'x-matrix   ORIGIN="a.example:8448" ,\t Destination="b.example", KEY="ed25519:k_1"  ,Sig="ab+/cd"',
    'X-Matrix sig="ab+/cd",unknown="x, sig=\\"y\\"",key="ed25519:k_1",,destination="b.example",origin="a.example:8448"',
    'X-Matrix origin="a\\.example:8448",destination="b.exampl\\e",key="ed25519:k_1",sig="ab+/cd"',
    'X-Matrix origin = "a.example:8448", destination= b.example,key="ed25519:k_1",sig="ab+/cd",',
  ])('%s', (header) => expect(parseXMatrix(header)).toEqual(parsed))

  test('of older servers has no destination', () => {
    expect(parseXMatrix('X-Matrix origin=a,key="ed25519:1",sig="s"')).toEqual({
      origin: 'a',
      destination: undefined,
      key: 'ed25519:1',
      signature: 's',
    })
    expect(parseXMatrix('X-Matrix origin=[::1]:80,key="ed25519:1",sig=s==')?.origin).toBe('[::1]:80')
  })

  test.each([
    '',
    'Bearer abc',
    'X-Matrix',
    'X-Matrixorigin=a,key=k,sig=s',
    'X-Matrix origin=a,key=k',
    'X-Matrix key=k,sig=s',
    'X-Matrix origin=a,sig=s',
    'X-Matrix origin=a,key="",sig=s',
    'X-Matrix origin=a,origin=b,key=k,sig=s',
    'X-Matrix origin=a,ORIGIN=a,key=k,sig=s',
    'X-Matrix origin="a,key=k,sig=s',
    'X-Matrix origin="a\\',
    'X-Matrix origin=a key=k,sig=s',
    'X-Matrix origin=a,key=k,sig=s;',
    'X-Matrix origin,key=k,sig=s',
    'X-Matrix origin="a_b",key=k,sig=s',
    'X-Matrix origin=a,destination="b c",key=k,sig=s',
    'X-Matrix =a,key=k,sig=s',
  ])('%j is refused', (header) => expect(parseXMatrix(header)).toBeUndefined())

  test('whatever comes, parsing ends without an error', () => {
    fc.assert(
      fc.property(
        fc.array(fc.constantFrom('origin', 'key', 'sig', '=', '"', '\\', ',', ' ', 'a', '\t', ':')),
        (parts) => {
          expect(() => parseXMatrix(`X-Matrix ${parts.join('')}`)).not.toThrow()
        },
      ),
    )
  })

  test('is written as old servers understand it', () => {
    const header = formatXMatrix(parsed as never)
    expect(header).toBe('X-Matrix origin="a.example:8448",destination="b.example",key="ed25519:k_1",sig="ab+/cd"')
    expect(parseXMatrix(header)).toEqual(parsed)
  })
})

describe('signing requests', () => {
  const request = {
    method: 'PUT',
    uri: '/_matrix/federation/v1/send/1?a=%20b',
    origin: 'a.example' as ServerName,
    destination: 'b.example' as ServerName,
    content: { pdus: [] },
  }
  const header = parseXMatrix(signRequest(request, key))
  const verify = (changed: object, public_ = key.publicKey) =>
    header !== undefined && verifyRequest({ ...request, ...changed }, header, public_)

  test('the signature covers method, uri, names and content', () => {
    expect(verify({})).toBe(true)
    expect(verify({ method: 'POST' })).toBe(false)
    expect(verify({ uri: '/_matrix/federation/v1/send/1' })).toBe(false)
    expect(verify({ origin: 'c.example' })).toBe(false)
    expect(verify({ destination: 'c.example' })).toBe(false)
    expect(verify({ content: {} })).toBe(false)
    expect(verify({ content: undefined })).toBe(false)
    expect(verify({}, Buffer.alloc(32, 7).toString('base64'))).toBe(false)
  })

  test('a request without body has no content', () => {
    expect(requestToSign({ ...request, content: undefined })).not.toHaveProperty('content')
    expect(requestToSign({ ...request, content: null })).toHaveProperty('content', null)
  })

  test('a header without destination is verified by our own name', () => {
    expect(header).toBeDefined()
    if (header !== undefined) {
      expect(verifyRequest(request, { ...header, destination: undefined }, key.publicKey)).toBe(true)
      expect(verifyRequest(request, { ...header, destination: 'c.example' as ServerName }, key.publicKey)).toBe(false)
    }
  })
})
