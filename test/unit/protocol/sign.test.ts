import * as fc from 'fast-check'
import nacl from 'tweetnacl'
import { describe, expect, test } from 'vitest'
import { encodeBase64 } from '../../../src/protocol/base64.ts'
import { canonicalJson } from '../../../src/protocol/canonical-json.ts'
import { parseKeyId } from '../../../src/protocol/ids.ts'
import type { JsonObject } from '../../../src/protocol/json-types.ts'
import { accepted, key, messageFields, seed, server, versionOf } from './events.ts'
import { parseEvent } from '../../../src/protocol/parse-event.ts'
import { sealEvent } from '../../../src/protocol/seal-event.ts'
import {
  cosignEvent,
  formatSigningKey,
  generateSigningKey,
  parseSigningKey,
  signEvent,
  signJson,
  signText,
  signatureOf,
  signingKeyFromSeed,
  signingKeyIds,
  verifyEventSignature,
  verifyJson,
  verifyText,
} from '../../../src/protocol/sign.ts'

describe("the specification's test vectors", () => {
  test('signing JSON', () => {
    expect(signJson({}, 'domain', key)).toEqual({
      signatures: {
        domain: {
          'ed25519:1': 'K8280/U9SSy9IVtjBuVeLr+HpOB4BQFWbg+UZaADMtTdGYI7Geitb76LTrr5QV/7Xg4ahLwYGYZzuHGZKM5ZAQ',
        },
      },
    })
    expect(signJson({ one: 1, two: 'Two' }, 'domain', key)).toEqual({
      one: 1,
      signatures: {
        domain: {
          'ed25519:1': 'KqmLSbO39/Bzb0QIYE82zqLwsA+PDzYIpIRA2sRQ4sL53+sN6/fpNSoqE7BP7vBZhG6kYdD13EIMJpvhJI+6Bw',
        },
      },
      two: 'Two',
    })
  })

  test('signing a minimal event', () => {
    const event: JsonObject = {
      room_id: '!x:domain',
      sender: '@a:domain',
      origin: 'domain',
      origin_server_ts: 1000000,
      signatures: {},
      hashes: {},
      type: 'X',
      content: {},
      prev_events: [],
      auth_events: [],
      depth: 3,
      unsigned: { age_ts: 1000000 },
    }
    for (const id of ['1', '4', '10']) {
      expect(signEvent(versionOf(id), event, 'domain', key)).toEqual({
        ...event,
        hashes: { sha256: '5jM4wQpv6lnBo7CLIghJuHdW+s2CMBJPUOGOC89ncos' },
        signatures: {
          domain: {
            'ed25519:1': 'KxwGjPSDEtvnFgU00fwFz+l6d2pJM6XBIaMEn81SXPTRl16AqLAYqfIReFGZlHi5KLjAWbOoMszkwsQma+lYAg',
          },
        },
      })
    }
  })

  test('signing an event with redactable content', () => {
    const event: JsonObject = {
      content: { body: 'Here is the message content' },
      event_id: '$0:domain',
      origin: 'domain',
      origin_server_ts: 1000000,
      type: 'm.room.message',
      room_id: '!r:domain',
      sender: '@u:domain',
      signatures: {},
      unsigned: { age_ts: 1000000 },
    }
    expect(signEvent(versionOf('1'), event, 'domain', key)).toEqual({
      ...event,
      hashes: { sha256: 'onLKD1bGljeBWQhWZ1kaP9SorVmRQNdN5aM2JYU2n/g' },
      signatures: {
        domain: {
          'ed25519:1': 'Wm+VzmOUOz08Ds+0NTWb1d4CZrVsJSikkeRxh6aCcUwu6pNC78FunoD7KNWzqFn241eYHYMGCA5McEiVPdhzBA',
        },
      },
    })
  })
})

describe('against tweetnacl', () => {
  test('keys and signatures are the same, and each verifies the other', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 32, maxLength: 32 }), fc.string({ unit: 'grapheme' }), (secret, text) => {
        const pair = nacl.sign.keyPair.fromSeed(secret)
        const ours = signingKeyFromSeed('ed25519:x', secret)
        expect(ours.publicKey).toBe(encodeBase64(pair.publicKey))
        const signature = encodeBase64(nacl.sign.detached(Buffer.from(text), pair.secretKey))
        expect(signText(text, ours)).toBe(signature)
        expect(verifyText(text, signature, ours.publicKey)).toBe(true)
        expect(verifyText(`${text}x`, signature, ours.publicKey)).toBe(false)
      }),
      { numRuns: 30 },
    )
  })

  test('a flipped bit anywhere in the signature is seen by both', () => {
    const pair = nacl.sign.keyPair.fromSeed(seed)
    const signature = nacl.sign.detached(Buffer.from('text'), pair.secretKey)
    for (let bit = 0; bit < 512; bit += 37) {
      const bad = Uint8Array.from(signature)
      bad[bit >> 3] = (bad[bit >> 3] ?? 0) ^ (1 << (bit & 7))
      expect(verifyText('text', encodeBase64(bad), key.publicKey)).toBe(false)
      expect(nacl.sign.detached.verify(Buffer.from('text'), bad, pair.publicKey)).toBe(false)
    }
  })
})

test('what is malformed does not verify, and does not throw', () => {
  const good = signText('a', key)
  expect(verifyText('a', `${good}==`, `${key.publicKey}=`)).toBe(true)
  for (const [signature, publicKey] of [
    ['', key.publicKey],
    ['!', key.publicKey],
    [good.slice(4), key.publicKey],
    [good, ''],
    [good, 'AAAA'],
    [good, 'not base64'],
    [good, `${key.publicKey}AAAA`],
  ] as const) {
    expect(verifyText('a', signature, publicKey)).toBe(false)
  }
})

describe('signed objects', () => {
  const object = { b: 1, a: ['x'], unsigned: { age: 1 } }
  const signed = signJson(object, 'a.example', key)

  test('unsigned and other signatures are not covered, everything else is', () => {
    const other = generateSigningKey(nacl.randomBytes)
    const both = signJson({ ...signed, unsigned: { age: 2 } }, 'b.example', other)
    expect(verifyJson(both, 'a.example', 'ed25519:1', key.publicKey)).toBe(true)
    expect(verifyJson(both, 'b.example', other.keyId, other.publicKey)).toBe(true)
    expect(verifyJson(both, 'b.example', 'ed25519:1', key.publicKey)).toBe(false)
    expect(verifyJson({ ...both, b: 2 }, 'a.example', 'ed25519:1', key.publicKey)).toBe(false)
    expect(both.unsigned).toEqual({ age: 2 })
    expect(object).not.toHaveProperty('signatures')
  })

  test('signatures of other shapes are none', () => {
    for (const signatures of [undefined, null, [], { 'a.example': 'x' }, { 'a.example': { 'ed25519:1': 7 } }]) {
      const odd = { ...object, ...(signatures === undefined ? {} : { signatures }) } as JsonObject
      expect(signatureOf(odd, 'a.example', 'ed25519:1')).toBeUndefined()
      expect(verifyJson(odd, 'a.example', 'ed25519:1', key.publicKey)).toBe(false)
    }
    expect(signatureOf({ signatures: {} }, '__proto__', 'constructor')).toBeUndefined()
  })

  test('only Ed25519 key ids are listed', () => {
    const signatures = { domain: { 'ed25519:1': 'a', 'rsa:1': 'b', 'ed25519:': 'c' } }
    expect(signingKeyIds({ signatures }, server)).toEqual(['ed25519:1'])
    expect(signingKeyIds({}, server)).toEqual([])
  })
})

describe('keys', () => {
  test('are written and read', () => {
    const made = generateSigningKey(nacl.randomBytes)
    expect(parseKeyId(made.keyId)).toBe(made.keyId)
    const read = parseSigningKey(`${formatSigningKey(made)}\n`)
    expect([read?.keyId, read?.publicKey]).toEqual([made.keyId, made.publicKey])
    expect(formatSigningKey(key)).toBe('ed25519 1 YJDBA9Xnr2sVqXD9Vj7XVUnmFZcZrlw8Md7kMW+3XA0')
  })
  test('are refused where malformed', () => {
    for (const line of [
      '',
      'ed25519',
      'ed25519 1',
      'ed25519 1 AAAA',
      'rsa 1 YJDBA9Xnr2sVqXD9Vj7XVUnmFZcZrlw8Md7kMW+3XA1',
      'ed25519 a-b YJDBA9Xnr2sVqXD9Vj7XVUnmFZcZrlw8Md7kMW+3XA1',
      'ed25519 1 YJDBA9Xnr2sVqXD9Vj7XVUnmFZcZrlw8Md7kMW+3XA1 x',
    ]) {
      expect(parseSigningKey(line)).toBeUndefined()
    }
    expect(() => signingKeyFromSeed('ed25519:1', new Uint8Array(31))).toThrow(RangeError)
  })
})

describe('events', () => {
  test('another signature changes neither id nor the first signature', () => {
    const version = versionOf('11')
    const event = accepted(sealEvent(version, messageFields(version), server, key))
    const other = generateSigningKey(nacl.randomBytes)
    const cosigned = accepted(parseEvent(version, cosignEvent(version, event.pdu, 'b.example', other)))
    expect(cosigned.eventId).toBe(event.eventId)
    expect(verifyEventSignature(cosigned, server, key.keyId, key.publicKey)).toBe(true)
    expect(verifyEventSignature(cosigned, 'b.example', other.keyId, other.publicKey)).toBe(true)
    expect(verifyEventSignature(cosigned, 'b.example', key.keyId, key.publicKey)).toBe(false)
  })

  test('the signature covers the redacted event only', () => {
    const version = versionOf('11')
    const event = accepted(sealEvent(version, messageFields(version), server, key))
    const withContent = accepted(parseEvent(version, { ...event.pdu, content: { body: 'other' } }))
    expect(verifyEventSignature(withContent, server, key.keyId, key.publicKey)).toBe(true)
    const withDepth = accepted(parseEvent(version, { ...event.pdu, depth: 8 }))
    expect(verifyEventSignature(withDepth, server, key.keyId, key.publicKey)).toBe(false)
    expect(canonicalJson(event.pdu)).toBe(event.text)
  })
})
