import type { RoomEvent } from './event.ts'
import { compileGlob } from './glob.ts'
import type { Json, JsonObject } from './json-types.ts'
import { memberOf } from './json.ts'
import type { PowerLevels } from './power-levels.ts'
import { parsePropertyPath, propertyAt } from './property-path.ts'
import { isPlainValue } from './push-rule-types.ts'
import { containsWords, globMatchesWords } from './word-match.ts'

/** What conditions ask about beyond the event. */
export interface PushContext {
  /** Joined members of the room now. */
  readonly memberCount: number
  readonly powerLevels: PowerLevels
  /** The name of the rules' owner in the room, for conditions of older clients. */
  readonly displayName?: string | undefined
}

/** Does the condition hold for the event? */
export type Condition = (event: RoomEvent, context: PushContext) => boolean

type ConditionMaker = (condition: JsonObject) => Condition | undefined

const makers: { readonly [kind: string]: ConditionMaker } = {
  event_match: ({ key, pattern }) =>
    typeof key === 'string' && typeof pattern === 'string' ? eventMatches(key, pattern) : undefined,
  event_property_is: ({ key, value }) => {
    if (typeof key !== 'string' || !isPlainValue(value)) return undefined
    const read = reader(key)
    return (event) => read(event) === value
  },
  event_property_contains: ({ key, value }) => {
    if (typeof key !== 'string' || !isPlainValue(value)) return undefined
    const read = reader(key)
    return (event) => {
      const list = read(event)
      return Array.isArray(list) && list.includes(value)
    }
  },
  contains_display_name:
    () =>
    (event, { displayName }) => {
      const { body } = event.content
      if (typeof body !== 'string' || displayName === undefined || displayName === '') return false
      return containsWords(body.toLowerCase(), displayName.toLowerCase())
    },
  room_member_count: ({ is }) => (typeof is === 'string' ? memberCountIs(is) : undefined),
  sender_notification_permission: ({ key }) =>
    typeof key === 'string'
      ? (event, { powerLevels }) => powerLevels.levelOf(event.sender) >= powerLevels.notification(key)
      : undefined,
}

/**
 * Prepares a condition for many events. Undefined for one that is not known or lacks what its kind needs: no event
 * matches it (client-server API, "Push Rules", "Conditions").
 */
export function compileCondition(condition: JsonObject): Condition | undefined {
  const { kind } = condition
  return typeof kind === 'string' && Object.hasOwn(makers, kind) ? makers[kind]?.(condition) : undefined
}

/** Is the condition of a kind that is not known here? Those may be stored, for later. */
export function isUnknownCondition(condition: JsonObject): boolean {
  return typeof condition.kind === 'string' && !Object.hasOwn(makers, condition.kind)
}

/** The condition that a `content` rule's pattern stands for. */
export function bodyMatches(pattern: string): Condition {
  return eventMatches('content.body', pattern)
}

function eventMatches(key: string, pattern: string): Condition {
  const read = reader(key)
  const matches = key === 'content.body' ? wordMatcher(pattern) : compileGlob(pattern, { ignoreCase: true })
  return (event) => {
    const value = read(event)
    return typeof value === 'string' && matches(value)
  }
}

function wordMatcher(pattern: string): (text: string) => boolean {
  const lowered = pattern.toLowerCase()
  return (text) => globMatchesWords(lowered, text.toLowerCase())
}

/** Reads the property at a path from events, in the form in which clients see them. */
function reader(path: string): (event: RoomEvent) => Json | undefined {
  const [first = '', ...rest] = parsePropertyPath(path)
  if (first === 'content') return (event) => propertyAt(event.content, rest)
  return (event) => propertyAt(topLevel(event, first), rest)
}

function topLevel(event: RoomEvent, name: string): Json | undefined {
  switch (name) {
    case 'type':
      return event.type
    case 'sender':
      return event.sender
    case 'state_key':
      return event.stateKey
    case 'room_id':
      return event.roomId
    case 'event_id':
      return event.eventId
    case 'redacts':
      return event.redacts
    default:
      return memberOf(event.pdu, name)
  }
}

function memberCountIs(is: string): Condition | undefined {
  const operator = ['==', '<=', '>=', '<', '>'].find((prefix) => is.startsWith(prefix)) ?? ''
  const digits = is.slice(operator.length)
  if (!/^[0-9]+$/.test(digits)) return undefined
  const count = Number(digits)
  switch (operator) {
    case '<':
      return (_, { memberCount }) => memberCount < count
    case '>':
      return (_, { memberCount }) => memberCount > count
    case '<=':
      return (_, { memberCount }) => memberCount <= count
    case '>=':
      return (_, { memberCount }) => memberCount >= count
    default:
      return (_, { memberCount }) => memberCount === count
  }
}
