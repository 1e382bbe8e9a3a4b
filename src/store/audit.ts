import { and, asc, eq, lt, notLike } from 'drizzle-orm'
import { audit } from '../../schema/tables/users.ts'
import type { Conn, Tx } from './database.ts'
import { query } from './query.ts'

/** A decision that a person answers for. */
export interface AuditEntry {
  readonly ts: number
  /** user id of who decided, or `operator` for the command line */
  readonly actor: string
  /** what was done: `lock`, `erasure.request` … */
  readonly action: string
  /** user id of whom it concerns */
  readonly target: string | null
  readonly reason: string | null
}

const insert = query<{ ts: number; actor: string; action: string; target: string | null; reason: string | null }>(
  'insert_audit',
)(({ db, t, p }) =>
  db.insert(t(audit)).values({ ts: p.ts, actor: p.actor, action: p.action, target: p.target, reason: p.reason }),
)

const ofTarget = query<{ target: string }>('list_audit')(({ db, t, p }) =>
  db
    .select()
    .from(t(audit))
    .where(eq(t(audit).target, p.target))
    .orderBy(asc(t(audit).audit_nid)),
)

const old = query<{ before: number }>('delete_old_audit')(({ db, t, p }) =>
  db.delete(t(audit)).where(and(lt(t(audit).ts, p.before), notLike(t(audit).action, 'erasure%'))),
)

/** Records a decision. */
export async function insertAudit(tx: Tx, entry: AuditEntry): Promise<void> {
  const { ts, actor, action, target, reason } = entry
  await insert(tx, { ts, actor, action, target, reason })
}

/** What was decided about a user, oldest first. */
export async function listAudit(conn: Conn, target: string): Promise<AuditEntry[]> {
  return ofTarget(conn, { target })
}

/** Removes decisions made before `before`, but none about erasures. */
export async function deleteOldAudit(tx: Tx, before: number): Promise<number> {
  return old(tx, { before })
}
