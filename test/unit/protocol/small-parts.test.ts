import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  decodeBase64,
  decodeUrlSafeBase64,
  encodeBase64,
  encodeUrlSafeBase64,
  toUrlSafe,
} from '../../../src/protocol/base64.ts'
import { MatrixError, defaultStatus } from '../../../src/protocol/errors.ts'
import { parseStrippedState, strippedState } from '../../../src/protocol/stripped-state.ts'
import { sealEvent } from '../../../src/protocol/seal-event.ts'
import { accepted, key, messageFields, server, versionOf } from './events.ts'

describe('base64', () => {
  test("the specification's examples", () => {
    const examples = { '': '', f: 'Zg', fo: 'Zm8', foo: 'Zm9v', foob: 'Zm9vYg', fooba: 'Zm9vYmE', foobar: 'Zm9vYmFy' }
    for (const [text, encoded] of Object.entries(examples)) expect(encodeBase64(Buffer.from(text))).toBe(encoded)
  })
  test('round trips in both alphabets, padded or not', () => {
    fc.assert(
      fc.property(fc.uint8Array(), (bytes) => {
        const text = encodeBase64(bytes)
        expect(text).not.toContain('=')
        expect(encodeUrlSafeBase64(bytes)).toBe(toUrlSafe(text))
        for (const decoded of [
          decodeBase64(text),
          decodeBase64(Buffer.from(bytes).toString('base64')),
          decodeUrlSafeBase64(toUrlSafe(text)),
        ]) {
          expect(decoded && Buffer.compare(decoded, bytes)).toBe(0)
        }
      }),
    )
  })
  test('what is not base64 is not decoded', () => {
    for (const text of ['a', 'ab-_', 'a b=', '=', 'ab=c', 'Zg\n', 'Zg===='])
      expect(text === '=' || decodeBase64(text) === undefined).toBe(true)
    expect(decodeUrlSafeBase64('ab+/')).toBeUndefined()
  })
})

describe('errors', () => {
  test('have a body and the status of the table unless told', () => {
    const error = new MatrixError('M_LIMIT_EXCEEDED', 'slow down', { retry_after_ms: 5 })
    expect(error.body).toEqual({ errcode: 'M_LIMIT_EXCEEDED', error: 'slow down', retry_after_ms: 5 })
    expect(error.status).toBe(429)
    expect(new MatrixError('M_UNRECOGNIZED', 'no', {}, 405).status).toBe(405)
    expect(defaultStatus('M_NOT_FOUND')).toBe(404)
  })
  test('extra members do not replace the code', () => {
    expect(new MatrixError('M_FORBIDDEN', 'no', { errcode: 'M_UNKNOWN', error: 'x' }).body).toEqual({
      errcode: 'M_FORBIDDEN',
      error: 'no',
    })
  })
})

describe('stripped state', () => {
  const version = versionOf('11')
  const event = accepted(
    sealEvent(
      version,
      messageFields(version, { type: 'm.room.name', state_key: '', content: { name: 'n' } }),
      server,
      key,
    ),
  )
  const expected = { type: 'm.room.name', state_key: '', sender: '@alice:domain', content: { name: 'n' } }

  test('has four members', () => {
    expect(strippedState(event)).toEqual(expected)
  })
  test('what was received is cut down to them', () => {
    expect(parseStrippedState(event.pdu)).toEqual(expected)
    expect(parseStrippedState({ ...expected, more: 1 })).toEqual(expected)
    for (const wrong of [
      null,
      [],
      'x',
      {},
      { ...expected, sender: 'x' },
      { ...expected, state_key: 1 },
      { ...expected, content: [] },
    ]) {
      expect(parseStrippedState(wrong)).toBeUndefined()
    }
  })
})
