import type { Json, JsonObject } from './json-types.ts'

/** The kinds of push rule, in the order in which they are tried. */
export const pushRuleKinds = ['override', 'content', 'room', 'sender', 'underride'] as const

export type PushRuleKind = (typeof pushRuleKinds)[number]

/** `notify`, or an object such as `{ set_tweak, value }`. */
export type PushAction = string | JsonObject

/** A rule as clients see it (client-server API, `PushRule`). */
export interface PushRule {
  readonly rule_id: string
  /** Is it predefined? */
  readonly default: boolean
  readonly enabled: boolean
  readonly actions: readonly PushAction[]
  /** Of kinds `override` and `underride`. */
  readonly conditions?: readonly JsonObject[]
  /** Of kind `content`. */
  readonly pattern?: string
}

/** All rules of a user, the most important of a kind first, as `GET /pushrules/global/` shows them. */
export type PushRuleset = { readonly [kind in PushRuleKind]: readonly PushRule[] }

/** Is this the name of a kind of push rule? */
export function isPushRuleKind(value: unknown): value is PushRuleKind {
  return pushRuleKinds.some((kind) => kind === value)
}

/** Actions without those of former times, which are to be ignored (client-server API, "Historical Actions"). */
export function withoutHistoricalActions(actions: readonly PushAction[]): PushAction[] {
  return actions.filter((action) => action !== 'dont_notify' && action !== 'coalesce')
}

/** Is it a value that conditions can compare exactly: a string, an integer, a boolean or null? */
export function isPlainValue(value: Json | undefined): value is string | number | boolean | null {
  return value === null || typeof value === 'string' || typeof value === 'boolean' || Number.isSafeInteger(value)
}
