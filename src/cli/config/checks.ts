import { parseServerName } from '../../protocol/ids.ts'
import { findRoomVersion } from '../../protocol/room-version.ts'
import { AddressSet } from '../../util/address.ts'

/** What is wrong with a server name. */
export function checkServerName(value: string): string | undefined {
  return parseServerName(value) ? undefined : 'not a server name'
}

/** What is wrong with a public base URL. */
export function checkBaseUrl(value: string): string | undefined {
  if (!URL.canParse(value)) return 'not a URL'
  const { protocol, search, hash, username } = new URL(value)
  const isFine = /^https?:$/.test(protocol) && search === '' && hash === '' && username === ''
  return isFine ? undefined : 'expected https://host without query'
}

/** What is wrong with an address or range. */
export function checkAddresses(value: string): string | undefined {
  try {
    new AddressSet([value]).has('')
    return undefined
  } catch {
    return 'not an address and not a range'
  }
}

/** What is wrong with the version of new rooms. */
export function checkRoomVersion(value: string): string | undefined {
  return findRoomVersion(value) ? undefined : 'not a room version of this server'
}

/** What is wrong with an http or https URL. */
export function checkUrl(value: string): string | undefined {
  return URL.canParse(value) && /^https?:$/.test(new URL(value).protocol) ? undefined : 'not an http or https URL'
}

/** What is wrong with `address:port`. */
export function checkHostPort(value: string): string | undefined {
  return /^(\[[0-9a-fA-F:.]+\]|[^:[\]\s]+):\d{1,5}$/.test(value) ? undefined : 'expected address:port'
}
