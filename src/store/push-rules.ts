import { eq } from 'drizzle-orm'
import type { Json as JsonText } from '../../schema/kit.ts'
import { push_rules } from '../../schema/tables/users.ts'
import type { Conn, Tx } from './database.ts'
import { query } from './query.ts'

/** What a user changed of the push rules. */
export interface PushRulesRow {
  readonly user_nid: number
  /** serialised `PushRuleEdits` (protocol/push-rule-edits.ts) */
  readonly rules: string
  readonly writer: number
  readonly pos: number
}

const find = query<{ userNid: number }>('find_push_rules')(({ db, t, p }) =>
  db
    .select()
    .from(t(push_rules))
    .where(eq(t(push_rules).user_nid, p.userNid)),
)

const list = query<{ userNids: readonly number[] }>('list_push_rules')(({ db, t, p, anyOf }) =>
  db
    .select()
    .from(t(push_rules))
    .where(anyOf(t(push_rules).user_nid, p.userNids)),
)

const put = query<{ userNid: number; rules: JsonText<unknown>; writer: number; pos: number }>('put_push_rules')(
  ({ db, t, p, excluded }) =>
    db
      .insert(t(push_rules))
      .values({ user_nid: p.userNid, rules: p.rules, writer: p.writer, pos: p.pos })
      .onConflictDoUpdate({
        target: t(push_rules).user_nid,
        set: {
          rules: excluded(t(push_rules).rules),
          writer: excluded(t(push_rules).writer),
          pos: excluded(t(push_rules).pos),
        },
      }),
)

/** A user's changes, undefined where there are none. */
export async function findPushRules(conn: Conn, userNid: number): Promise<PushRulesRow | undefined> {
  return find.first(conn, { userNid })
}

/** The changes of those of these users who have any. */
export async function listPushRules(conn: Conn, userNids: readonly number[]): Promise<PushRulesRow[]> {
  return list(conn, { userNids })
}

/** Replaces a user's changes, at a new position of the stream. */
export async function putPushRules(tx: Tx, userNid: number, rules: string): Promise<void> {
  await put(tx, { userNid, rules, writer: tx.writerNid, pos: tx.nextPosition() })
}
