import { MatrixError } from '../protocol/errors.ts'
import type { ServerName } from '../protocol/ids.ts'
import { isJsonObject, memberOf } from '../protocol/json.ts'
import type { Json, JsonObject } from '../protocol/json-types.ts'
import { defaultLevels } from '../protocol/power-levels.ts'
import { isServerAllowed } from '../protocol/server-acl.ts'

interface About {
  readonly isState: boolean
  readonly serverName: ServerName
}

type Check = (content: JsonObject, about: About) => string | undefined

const isText = (value: Json | undefined) => typeof value === 'string'
const isTextOrNone = (value: Json | undefined) => value === undefined || typeof value === 'string'

const ofMessages: Readonly<Record<string, Check>> = {
  'm.room.message': ({ msgtype, body }) =>
    isText(msgtype) && isText(body) ? undefined : 'a message has msgtype and body',
  'm.room.encrypted': ({ algorithm }) => (isText(algorithm) ? undefined : 'an encrypted event names its algorithm'),
}

const ofState: Readonly<Record<string, Check>> = {
  'm.room.name': ({ name }) => (isTextOrNone(name) ? undefined : 'name is not a string'),
  'm.room.topic': ({ topic }) => (isTextOrNone(topic) ? undefined : 'topic is not a string'),
  'm.room.avatar': ({ url }) => (isTextOrNone(url) ? undefined : 'url is not a string'),
  'm.room.join_rules': ({ join_rule: rule }) => (isText(rule) ? undefined : 'join_rule is not a string'),
  'm.room.history_visibility': ({ history_visibility: setting }) =>
    ['world_readable', 'shared', 'invited', 'joined'].includes(setting as string)
      ? undefined
      : 'history_visibility is not known',
  'm.room.guest_access': ({ guest_access: access }) => (isText(access) ? undefined : 'guest_access is not a string'),
  'm.room.encryption': ({ algorithm }) => (isText(algorithm) ? undefined : 'algorithm is not a string'),
  'm.room.pinned_events': ({ pinned }) =>
    Array.isArray(pinned) && (pinned as readonly Json[]).every(isText)
      ? undefined
      : 'pinned is not an array of event IDs',
  'm.room.tombstone': ({ replacement_room: room }) =>
    isTextOrNone(room) ? undefined : 'replacement_room is not a string',
  'm.room.server_acl': checkServerAcl,
  'm.room.power_levels': checkPowerLevels,
}

/**
 * What a client's event must hold by its type's schema where a wrong one does harm: it would lock everybody out, or
 * break clients. Throws `M_BAD_JSON`. A pure function.
 */
export function checkContent(type: string, content: JsonObject, about: About): void {
  const checks = about.isState ? ofState : ofMessages
  const refusal = Object.hasOwn(checks, type) ? checks[type]?.(content, about) : undefined
  if (refusal !== undefined) throw new MatrixError('M_BAD_JSON', `${type}: ${refusal}`)
  const relation = memberOf(content, 'm.relates_to')
  if (!about.isState && type !== 'm.room.encrypted' && relation !== undefined && !isJsonObject(relation))
    throw new MatrixError('M_BAD_JSON', 'm.relates_to is not an object')
}

function checkServerAcl(content: JsonObject, { serverName }: About): string | undefined {
  return isServerAllowed(serverName, content) ? undefined : 'the list would shut out this server'
}

/** Strings for levels are read in old rooms, and never written. */
function checkPowerLevels(content: JsonObject): string | undefined {
  for (const key of Object.keys(defaultLevels))
    if (!isLevelOrNone(memberOf(content, key))) return `${key} is not an integer`
  for (const key of ['users', 'events', 'notifications']) {
    const levels = memberOf(content, key)
    if (levels === undefined) continue
    if (!isJsonObject(levels) || !Object.values(levels).every(isLevelOrNone))
      return `${key} is not an object of integers`
  }
  return undefined
}

function isLevelOrNone(value: Json | undefined): boolean {
  return value === undefined || Number.isSafeInteger(value)
}
