import { MatrixError } from '../protocol/errors.ts'
import type { Json } from '../protocol/json-types.ts'
import { utf8Length } from '../protocol/text.ts'

/** A whole profile is smaller than this. */
export const maxProfileBytes = 65_536
const maxKeyBytes = 255
const maxDisplayNameBytes = 256
const maxAvatarUrlBytes = 1000

const keyGrammar = /^(avatar_url|displayname|m\.tz|[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)+)$/
const contentUri = /^mxc:\/\/[^/\s]+\/[A-Za-z0-9_-]+$/

/** Why this is no name of a profile field (`PUT /profile/{userId}/{keyName}`), or undefined. */
export function checkProfileKey(key: string): MatrixError | undefined {
  if (utf8Length(key) > maxKeyBytes) return new MatrixError('M_KEY_TOO_LARGE', 'The key is longer than 255 bytes')
  return keyGrammar.test(key) ? undefined : new MatrixError('M_INVALID_PARAM', 'Invalid profile key')
}

/** Why this is no value of that field, or undefined. */
export function checkProfileValue(key: string, value: Json): MatrixError | undefined {
  switch (key) {
    case 'displayname':
      return checkText(value, maxDisplayNameBytes)
    case 'avatar_url':
      return (
        checkText(value, maxAvatarUrlBytes) ??
        (value === '' || contentUri.test(value as string) ? undefined : invalid('not an mxc: URI'))
      )
    case 'm.tz':
      return checkText(value, 255)
    default:
      return undefined
  }
}

function checkText(value: Json, maxBytes: number): MatrixError | undefined {
  if (typeof value !== 'string') return new MatrixError('M_BAD_JSON', 'The value must be a string')
  return utf8Length(value) > maxBytes ? invalid(`longer than ${maxBytes} bytes`) : undefined
}

function invalid(message: string): MatrixError {
  return new MatrixError('M_INVALID_PARAM', message)
}
