import { MatrixError } from '../protocol/errors.ts'
import type { UserId } from '../protocol/ids.ts'
import { noPushRuleEdits, ownPushRules, pushRulesetOf } from '../protocol/push-rule-edits.ts'
import type { PushRuleEdits } from '../protocol/push-rule-edits.ts'
import type { PushRuleset } from '../protocol/push-rule-types.ts'
import { utf8Length } from '../protocol/text.ts'
import type { Conn } from '../store/database.ts'
import { findPushRules, putPushRules } from '../store/push-rules.ts'
import { writeAsUser } from './active.ts'
import type { AccountsDeps } from './deps.ts'
import type { Requester } from './requester.ts'

// each event for each user is tried against all of these
const maxOwnRules = 1000
const maxBytes = 512 * 1024

/** What a user changed of the predefined push rules. */
export async function findPushRuleEdits(conn: Conn, userNid: number): Promise<PushRuleEdits> {
  const row = await findPushRules(conn, userNid)
  return row === undefined ? noPushRuleEdits : (JSON.parse(row.rules) as PushRuleEdits)
}

/** The content of `m.push_rules` in a user's account data. */
export async function pushRulesContent(
  conn: Conn,
  userNid: number,
  userId: UserId,
): Promise<{ readonly global: PushRuleset }> {
  return { global: pushRulesetOf(userId, await findPushRuleEdits(conn, userNid)) }
}

/** All rules of a user. */
export async function getPushRules(
  deps: Pick<AccountsDeps, 'database'>,
  { userNid, userId }: Requester,
): Promise<PushRuleset> {
  return deps.database.read(async (conn) => (await pushRulesContent(conn, userNid, userId)).global)
}

/**
 * Changes a user's rules; readers of the account data stream are woken. Throws what `change` throws, and
 * `M_RESOURCE_LIMIT_EXCEEDED` for too many rules.
 */
export async function changePushRules(
  deps: Pick<AccountsDeps, 'database' | 'changes'>,
  requester: Requester,
  change: (edits: PushRuleEdits, userId: UserId) => PushRuleEdits,
): Promise<void> {
  const { userNid, userId } = requester
  await writeAsUser(deps, userNid, async (tx) => {
    const before = await findPushRuleEdits(tx, userNid)
    const after = change(before, userId)
    const text = JSON.stringify(after)
    if (text === JSON.stringify(before)) return
    if ([...ownPushRules(after)].length > maxOwnRules || utf8Length(text) > maxBytes)
      throw new MatrixError('M_RESOURCE_LIMIT_EXCEEDED', 'Too many push rules')
    await putPushRules(tx, userNid, text)
    tx.afterCommit(() => deps.changes.announce({ userNids: [userNid] }))
  })
}
