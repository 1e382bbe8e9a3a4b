import { defaultPushRules, masterRuleId } from './default-push-rules.ts'
import { MatrixError } from './errors.ts'
import { isJsonObject } from './json.ts'
import type { Json, JsonObject } from './json-types.ts'
import { compileCondition, isUnknownCondition } from './push-conditions.ts'
import type { PushAction, PushRule, PushRuleKind, PushRuleset } from './push-rule-types.ts'
import { pushRuleKinds, withoutHistoricalActions } from './push-rule-types.ts'

/** What a user changed of a predefined rule. */
export interface DefaultRuleEdit {
  readonly enabled?: boolean
  readonly actions?: readonly PushAction[]
}

/** All that is kept of a user's push rules: the user's own ones, and what differs from the predefined ones. */
export interface PushRuleEdits {
  /** The user's own rules, the most important of a kind first; all with `default: false`. */
  readonly own: { readonly [kind in PushRuleKind]?: readonly PushRule[] }
  /** By rule id. */
  readonly defaults: { readonly [ruleId: string]: DefaultRuleEdit }
}

/** The edits of a user who has changed nothing. */
export const noPushRuleEdits: PushRuleEdits = { own: {}, defaults: {} }

/** Where a rule is put among the user's own of its kind: next above `before`, or else next below `after`. */
export interface RulePosition {
  readonly before?: string | undefined
  readonly after?: string | undefined
}

/** The whole ruleset of a user: the master rule, the user's own, the predefined ones. */
export function pushRulesetOf(userId: string, edits: PushRuleEdits): PushRuleset {
  const defaults = defaultPushRules(userId)
  const rulesOf = (kind: PushRuleKind): PushRule[] => {
    const predefined = defaults[kind].map((rule) => editedDefault(rule, edits))
    const own = edits.own[kind] ?? []
    const master = predefined[0]?.rule_id === masterRuleId ? 1 : 0
    return [...predefined.slice(0, master), ...own, ...predefined.slice(master)]
  }
  return {
    override: rulesOf('override'),
    content: rulesOf('content'),
    room: rulesOf('room'),
    sender: rulesOf('sender'),
    underride: rulesOf('underride'),
  }
}

function editedDefault(rule: PushRule, edits: PushRuleEdits): PushRule {
  return Object.hasOwn(edits.defaults, rule.rule_id) ? { ...rule, ...edits.defaults[rule.rule_id] } : rule
}

/** The rule, or throws `M_NOT_FOUND`. */
export function getPushRule(userId: string, edits: PushRuleEdits, kind: PushRuleKind, ruleId: string): PushRule {
  const rule = pushRulesetOf(userId, edits)[kind].find(({ rule_id: id }) => id === ruleId)
  if (rule === undefined) throw new MatrixError('M_NOT_FOUND', 'The push rule was not found.')
  return rule
}

/**
 * Adds a rule of the user's own or changes one (`PUT /pushrules/global/{kind}/{ruleId}`). `body` is the request's.
 * A new rule is enabled, and the most important one where no position is given; a changed one keeps both.
 * Throws `M_INVALID_PARAM` for an id that is reserved or has a slash, `M_BAD_JSON` for a body that is no rule of its
 * kind, `M_UNKNOWN` (400) where `before` or `after` names no rule of the user's own.
 */
export function putPushRule(
  edits: PushRuleEdits,
  kind: PushRuleKind,
  ruleId: string,
  body: JsonObject,
  position: RulePosition = {},
): PushRuleEdits {
  if (ruleId === '' || ruleId.startsWith('.') || ruleId.includes('/') || ruleId.includes('\\'))
    throw new MatrixError('M_INVALID_PARAM', 'A rule id may not be empty, start with a dot or contain slashes')
  const own = edits.own[kind] ?? []
  const at = own.findIndex(({ rule_id: id }) => id === ruleId)
  const rule: PushRule = {
    rule_id: ruleId,
    default: false,
    enabled: own[at]?.enabled ?? true,
    actions: parsePushActions(body.actions),
    ...(kind === 'content' && { pattern: parsePattern(body.pattern) }),
    ...((kind === 'override' || kind === 'underride') && { conditions: parseConditions(body.conditions) }),
  }
  const neighbour = position.before ?? position.after
  if (neighbour === undefined && at >= 0) return withOwn(edits, kind, own.with(at, rule))
  const others = own.filter(({ rule_id: id }) => id !== ruleId)
  let target = 0
  if (neighbour !== undefined && neighbour !== ruleId) {
    target = others.findIndex(({ rule_id: id }) => id === neighbour)
    if (target < 0) throw new MatrixError('M_UNKNOWN', `before/after rule not found: ${neighbour}`, {}, 400)
    if (position.before === undefined) target++
  } else if (at >= 0) target = at
  else if (neighbour !== undefined)
    throw new MatrixError('M_UNKNOWN', `before/after rule not found: ${neighbour}`, {}, 400)
  return withOwn(edits, kind, others.toSpliced(target, 0, rule))
}

/** Removes a rule of the user's own. Throws `M_NOT_FOUND`; predefined rules cannot be removed either. */
export function deletePushRule(edits: PushRuleEdits, kind: PushRuleKind, ruleId: string): PushRuleEdits {
  const own = edits.own[kind] ?? []
  const others = own.filter(({ rule_id: id }) => id !== ruleId)
  if (others.length === own.length) throw new MatrixError('M_NOT_FOUND', 'The push rule was not found.')
  return withOwn(edits, kind, others)
}

/** Enables or disables a rule, a predefined one too. Throws `M_NOT_FOUND`. */
export function setPushRuleEnabled(
  userId: string,
  edits: PushRuleEdits,
  kind: PushRuleKind,
  ruleId: string,
  enabled: boolean,
): PushRuleEdits {
  return changeRule(userId, edits, kind, ruleId, { enabled })
}

/** Sets the actions of a rule, a predefined one too; `actions` as in the request. Throws `M_NOT_FOUND`, `M_BAD_JSON`. */
export function setPushRuleActions(
  userId: string,
  edits: PushRuleEdits,
  kind: PushRuleKind,
  ruleId: string,
  actions: Json | undefined,
): PushRuleEdits {
  return changeRule(userId, edits, kind, ruleId, { actions: parsePushActions(actions) })
}

function changeRule(
  userId: string,
  edits: PushRuleEdits,
  kind: PushRuleKind,
  ruleId: string,
  edit: DefaultRuleEdit,
): PushRuleEdits {
  const rule = getPushRule(userId, edits, kind, ruleId)
  if (rule.default)
    return { ...edits, defaults: { ...edits.defaults, [ruleId]: { ...edits.defaults[ruleId], ...edit } } }
  const own = edits.own[kind] ?? []
  return withOwn(
    edits,
    kind,
    own.map((each) => (each.rule_id === ruleId ? { ...each, ...edit } : each)),
  )
}

function withOwn(edits: PushRuleEdits, kind: PushRuleKind, rules: readonly PushRule[]): PushRuleEdits {
  return { ...edits, own: { ...edits.own, [kind]: rules } }
}

/** The actions of a request, without those of former times. Throws `M_BAD_JSON`. */
export function parsePushActions(value: Json | undefined): PushAction[] {
  if (!Array.isArray(value)) throw new MatrixError('M_BAD_JSON', 'actions must be a list')
  const actions: PushAction[] = []
  for (const action of value as readonly Json[]) {
    if (typeof action !== 'string' && !isJsonObject(action))
      throw new MatrixError('M_BAD_JSON', 'An action must be a string or an object')
    actions.push(action)
  }
  return withoutHistoricalActions(actions)
}

function parsePattern(value: Json | undefined): string {
  if (typeof value !== 'string') throw new MatrixError('M_BAD_JSON', 'A content rule needs a pattern')
  return value
}

function parseConditions(value: Json | undefined): JsonObject[] {
  if (value === undefined) return []
  if (!Array.isArray(value)) throw new MatrixError('M_BAD_JSON', 'conditions must be a list')
  return (value as readonly Json[]).map((condition) => {
    if (!isJsonObject(condition) || typeof condition.kind !== 'string')
      throw new MatrixError('M_BAD_JSON', 'A condition must be an object with a kind')
    if (!isUnknownCondition(condition) && compileCondition(condition) === undefined)
      throw new MatrixError('M_BAD_JSON', `A condition of kind ${condition.kind} lacks a valid parameter`)
    return condition
  })
}

/** All rules of the user's own with their kinds, most important first within a kind. */
export function* ownPushRules(edits: PushRuleEdits): Iterable<readonly [PushRuleKind, PushRule]> {
  for (const kind of pushRuleKinds) for (const rule of edits.own[kind] ?? []) yield [kind, rule]
}
