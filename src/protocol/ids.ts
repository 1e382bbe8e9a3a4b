import { isServerName } from './server-name.ts'
import type { ServerName } from './server-name.ts'

export type { ServerName }
import { isWellFormed, isWithinBytes } from './text.ts'

/** `@localpart:server` (appendices, "User Identifiers"). Made only by `parseUserId`. */
export type UserId = `@${string}:${string}`
/** `!opaque:server`, or `!hash` in room version 12. Made only by `parseRoomId`. */
export type RoomId = `!${string}`
/** `$opaque:server`, or `$hash` from room version 3. Made only by `parseEventId`. */
export type EventId = `$${string}`
/** `#alias:server`. Made only by `parseRoomAlias`. */
export type RoomAlias = `#${string}:${string}`
/** `ed25519:version`. Made only by `parseKeyId`. */
export type KeyId = `ed25519:${string}`

/** The longest identifier, in bytes of UTF-8, sigil and server name included. */
export const maxIdBytes = 255

const localpartGrammar = /^[a-z0-9._=/+-]+$/
const compliantLocalpart = /^[\u0021-\u007e]+$/
const hashOpaque = /^[A-Za-z0-9+/_-]{43}$/
const roomHashOpaque = /^[A-Za-z0-9_-]{43}$/
const keyIdGrammar = /^ed25519:[a-zA-Z0-9_]+$/

/** A server name (appendices, "Server Name"), or undefined where the value is none. Case is kept. */
export function parseServerName(value: unknown): ServerName | undefined {
  return typeof value === 'string' && isServerName(value) ? value : undefined
}

/**
 * A user id, or undefined where the value is none. Historical localparts are accepted: any legal code points but
 * `:` and NUL, the empty localpart too (appendices, "Historical User IDs"). For names of our own use `isValidLocalpart`.
 */
export function parseUserId(value: unknown): UserId | undefined {
  return typeof value === 'string' && hasDomainForm('@', value) ? (value as UserId) : undefined
}

/** A room id with a server name, or the form of room version 12 without; undefined where the value is neither. */
export function parseRoomId(value: unknown): RoomId | undefined {
  if (typeof value !== 'string') return undefined
  return hasDomainForm('!', value) || isHashRoomId(value) ? (value as RoomId) : undefined
}

/** Whether this is a room id of the form of room version 12: a create event's hash, without a server name. */
export function isHashRoomId(value: string): value is RoomId {
  return value.startsWith('!') && roomHashOpaque.test(value.slice(1))
}

/** An event id of any room version (`$opaque:server`, or `$` and a hash in either alphabet), or undefined. */
export function parseEventId(value: unknown): EventId | undefined {
  if (typeof value !== 'string' || !value.startsWith('$')) return undefined
  return hashOpaque.test(value.slice(1)) || hasDomainForm('$', value) ? (value as EventId) : undefined
}

/** A room alias, or undefined where the value is none (appendices, "Room Aliases"). */
export function parseRoomAlias(value: unknown): RoomAlias | undefined {
  return typeof value === 'string' && hasDomainForm('#', value) ? (value as RoomAlias) : undefined
}

/** The id of a server's Ed25519 signing key (`ed25519:` and `[a-zA-Z0-9_]`), or undefined where the value is none. */
export function parseKeyId(value: unknown): KeyId | undefined {
  return typeof value === 'string' && keyIdGrammar.test(value) ? (value as KeyId) : undefined
}

/** The server name in an id: what follows its first colon. Undefined for ids without one (room version 12, hashes). */
export function serverNameOf(id: UserId | RoomAlias): ServerName
export function serverNameOf(id: RoomId | EventId): ServerName | undefined
export function serverNameOf(id: string): ServerName | undefined {
  const colon = id.indexOf(':')
  return colon < 0 ? undefined : (id.slice(colon + 1) as ServerName)
}

/** What stands between the sigil and the server name. */
export function localpartOf(id: UserId | RoomAlias | RoomId | EventId): string {
  const colon = id.indexOf(':')
  return colon < 0 ? id.slice(1) : id.slice(1, colon)
}

/** Whether the localpart obeys the grammar for new users (appendices, "User Identifiers"). */
export function isValidLocalpart(localpart: string): boolean {
  return localpartGrammar.test(localpart)
}

/** Whether a user id breaks today's grammar and is accepted only for its age (appendices, "Historical User IDs"). */
export function isHistoricalUserId(id: UserId): boolean {
  return !isValidLocalpart(localpartOf(id))
}

/**
 * Whether a user id may be shown to clients outside the context of an event: its localpart is not empty and within
 * U+0021 to U+007E (appendices, "Historical User IDs").
 */
export function isCompliantUserId(id: UserId): boolean {
  return compliantLocalpart.test(localpartOf(id))
}

/** Makes the id of a user of this server. The localpart must already have been checked. */
export function makeUserId(localpart: string, server: ServerName): UserId {
  return `@${localpart}:${server}`
}

function hasDomainForm(sigil: string, value: string): boolean {
  if (!value.startsWith(sigil)) return false
  const colon = value.indexOf(':')
  if (colon < 1 || !isServerName(value.slice(colon + 1))) return false
  return isWithinBytes(value, maxIdBytes) && !value.includes('\0') && isWellFormed(value)
}
