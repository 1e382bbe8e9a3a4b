import * as v from 'valibot'
import { changePushRules, getPushRules } from '../../accounts/push-rules.ts'
import { deletePushRule, putPushRule, setPushRuleActions, setPushRuleEnabled } from '../../protocol/push-rule-edits.ts'
import { isPushRuleKind } from '../../protocol/push-rule-types.ts'
import type { PushRule, PushRuleKind, PushRuleset } from '../../protocol/push-rule-types.ts'
import { MatrixError } from '../../protocol/errors.ts'
import { endpoint } from '../endpoint.ts'
import { jsonObject, jsonValue } from '../schemas.ts'

const path = '/_matrix/client/v3/pushrules/global/:kind/:ruleId'
const params = v.object({
  kind: v.custom<PushRuleKind>(isPushRuleKind, 'not a kind of rule'),
  ruleId: v.string(),
})

export const pushRules = endpoint({
  method: 'GET',
  path: '/_matrix/client/v3/pushrules/',
  aliases: ['/_matrix/client/v3/pushrules'],
  auth: 'user',
  limit: 'read',
  async handle({ deps, requester }) {
    return { global: await getPushRules(deps, requester) }
  },
})

export const globalPushRules = endpoint({
  method: 'GET',
  path: '/_matrix/client/v3/pushrules/global/',
  aliases: ['/_matrix/client/v3/pushrules/global'],
  auth: 'user',
  limit: 'read',
  handle: ({ deps, requester }) => getPushRules(deps, requester),
})

export const pushRule = endpoint({
  method: 'GET',
  path,
  auth: 'user',
  limit: 'read',
  params,
  async handle({ deps, requester, params: { kind, ruleId } }) {
    return ruleIn(await getPushRules(deps, requester), kind, ruleId)
  },
})

export const putRule = endpoint({
  method: 'PUT',
  path,
  auth: 'user',
  limit: 'write',
  params,
  query: v.object({ before: v.optional(v.string()), after: v.optional(v.string()) }),
  body: jsonObject,
  async handle({ deps, requester, params: { kind, ruleId }, query, body }) {
    await changePushRules(deps, requester, (edits) => putPushRule(edits, kind, ruleId, body, query))
    return {}
  },
})

export const deleteRule = endpoint({
  method: 'DELETE',
  path,
  auth: 'user',
  limit: 'write',
  params,
  async handle({ deps, requester, params: { kind, ruleId } }) {
    await changePushRules(deps, requester, (edits) => deletePushRule(edits, kind, ruleId))
    return {}
  },
})

export const ruleEnabled = endpoint({
  method: 'GET',
  path: '/_matrix/client/v3/pushrules/global/:kind/:ruleId/enabled',
  auth: 'user',
  limit: 'read',
  params,
  async handle({ deps, requester, params: { kind, ruleId } }) {
    return { enabled: ruleIn(await getPushRules(deps, requester), kind, ruleId).enabled }
  },
})

export const putRuleEnabled = endpoint({
  method: 'PUT',
  path: '/_matrix/client/v3/pushrules/global/:kind/:ruleId/enabled',
  auth: 'user',
  limit: 'write',
  params,
  body: v.object({ enabled: v.boolean() }),
  async handle({ deps, requester, params: { kind, ruleId }, body }) {
    await changePushRules(deps, requester, (edits, userId) =>
      setPushRuleEnabled(userId, edits, kind, ruleId, body.enabled),
    )
    return {}
  },
})

export const ruleActions = endpoint({
  method: 'GET',
  path: '/_matrix/client/v3/pushrules/global/:kind/:ruleId/actions',
  auth: 'user',
  limit: 'read',
  params,
  async handle({ deps, requester, params: { kind, ruleId } }) {
    return { actions: ruleIn(await getPushRules(deps, requester), kind, ruleId).actions }
  },
})

export const putRuleActions = endpoint({
  method: 'PUT',
  path: '/_matrix/client/v3/pushrules/global/:kind/:ruleId/actions',
  auth: 'user',
  limit: 'write',
  params,
  body: v.object({ actions: jsonValue }),
  async handle({ deps, requester, params: { kind, ruleId }, body }) {
    await changePushRules(deps, requester, (edits, userId) =>
      setPushRuleActions(userId, edits, kind, ruleId, body.actions),
    )
    return {}
  },
})

function ruleIn(rules: PushRuleset, kind: keyof PushRuleset, ruleId: string): PushRule {
  const rule = rules[kind].find(({ rule_id: id }) => id === ruleId)
  if (rule === undefined) throw new MatrixError('M_NOT_FOUND', 'The push rule was not found')
  return rule
}

export const endpoints = [
  pushRules,
  globalPushRules,
  pushRule,
  putRule,
  deleteRule,
  ruleEnabled,
  putRuleEnabled,
  ruleActions,
  putRuleActions,
]
