import type { RoomEvent } from './event.ts'
import type { Json, JsonObject } from './json-types.ts'
import type { Condition, PushContext } from './push-conditions.ts'
import { bodyMatches, compileCondition } from './push-conditions.ts'
import type { PushAction, PushRule, PushRuleKind, PushRuleset } from './push-rule-types.ts'
import { pushRuleKinds, withoutHistoricalActions } from './push-rule-types.ts'

/** What the rule that matched an event says. */
export interface PushOutcome {
  readonly kind: PushRuleKind
  readonly ruleId: string
  /** Without those of former times. */
  readonly actions: readonly PushAction[]
  readonly notify: boolean
  readonly highlight: boolean
  /** The `tweaks` for the push gateway; a `highlight` without a value is `true` in it. */
  readonly tweaks: JsonObject
}

interface CompiledRule {
  readonly conditions: readonly Condition[]
  readonly outcome: PushOutcome
}

/** A user's rules, made ready to be tried on many events. */
export interface CompiledPushRules {
  readonly userId: string
  readonly rules: readonly CompiledRule[]
}

/** Prepares all enabled rules of a user. Rules with a condition that can never match are left out. */
export function compilePushRules(userId: string, ruleset: PushRuleset): CompiledPushRules {
  const rules: CompiledRule[] = []
  for (const kind of pushRuleKinds)
    for (const rule of ruleset[kind]) {
      const conditions = rule.enabled ? conditionsOf(kind, rule) : undefined
      if (conditions !== undefined) rules.push({ conditions, outcome: outcomeOf(kind, rule) })
    }
  return { userId, rules }
}

/**
 * The outcome of the most important rule that matches the event (client-server API, "Push Rules"); undefined if none
 * does, or if the user sent the event: then nobody is notified.
 */
export function evaluatePushRules(
  compiled: CompiledPushRules,
  event: RoomEvent,
  context: PushContext,
): PushOutcome | undefined {
  if (event.sender === compiled.userId) return undefined
  return compiled.rules.find(({ conditions }) => conditions.every((holds) => holds(event, context)))?.outcome
}

function conditionsOf(kind: PushRuleKind, rule: PushRule): readonly Condition[] | undefined {
  const { rule_id: ruleId } = rule
  switch (kind) {
    case 'content':
      return rule.pattern === undefined ? undefined : [bodyMatches(rule.pattern)]
    case 'room':
      return [(event) => event.roomId === ruleId]
    case 'sender':
      return [(event) => event.sender === ruleId]
    default: {
      const conditions: Condition[] = []
      for (const condition of rule.conditions ?? []) {
        const compiled = compileCondition(condition)
        if (compiled === undefined) return undefined
        conditions.push(compiled)
      }
      return conditions
    }
  }
}

function outcomeOf(kind: PushRuleKind, rule: PushRule): PushOutcome {
  const actions = withoutHistoricalActions(rule.actions)
  const tweaks: Record<string, Json> = {}
  for (const action of actions) {
    if (typeof action === 'string' || typeof action.set_tweak !== 'string') continue
    const value = action.value ?? (action.set_tweak === 'highlight' ? true : undefined)
    if (value !== undefined) tweaks[action.set_tweak] = value
  }
  const notify = actions.includes('notify')
  return { kind, ruleId: rule.rule_id, actions, notify, highlight: notify && tweaks.highlight === true, tweaks }
}
