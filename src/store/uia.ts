import { eq, lt } from 'drizzle-orm'
import type { Json as JsonText } from '../../schema/kit.ts'
import { uia_sessions } from '../../schema/tables/users.ts'
import type { Conn, Tx } from './database.ts'
import { query } from './query.ts'

/** A session of user-interactive authentication. */
export interface UiaRow {
  readonly session_id: string
  readonly user_nid: number | null
  readonly operation: string
  /** JSON: the stages that are done */
  readonly completed: string
  /** JSON: what must not change between the stages */
  readonly bound: string
  readonly created_ts: number
}

const find = query<{ sessionId: string }>('find_uia_session')(({ db, t, p }) =>
  db
    .select()
    .from(t(uia_sessions))
    .where(eq(t(uia_sessions).session_id, p.sessionId)),
)

const put = query<{
  sessionId: string
  userNid: number | null
  operation: string
  completed: JsonText<unknown>
  bound: JsonText<unknown>
  ts: number
}>('put_uia_session')(({ db, t, p, excluded }) =>
  db
    .insert(t(uia_sessions))
    .values({
      session_id: p.sessionId,
      user_nid: p.userNid,
      operation: p.operation,
      completed: p.completed,
      bound: p.bound,
      created_ts: p.ts,
    })
    .onConflictDoUpdate({
      target: t(uia_sessions).session_id,
      set: { completed: excluded(t(uia_sessions).completed), bound: excluded(t(uia_sessions).bound) },
    }),
)

const remove = query<{ sessionId: string }>('delete_uia_session')(({ db, t, p }) =>
  db.delete(t(uia_sessions)).where(eq(t(uia_sessions).session_id, p.sessionId)),
)

const ofUser = query<{ userNid: number }>('delete_user_uia_sessions')(({ db, t, p }) =>
  db.delete(t(uia_sessions)).where(eq(t(uia_sessions).user_nid, p.userNid)),
)

const old = query<{ before: number }>('delete_old_uia_sessions')(({ db, t, p }) =>
  db.delete(t(uia_sessions)).where(lt(t(uia_sessions).created_ts, p.before)),
)

/** A session, or undefined. */
export async function findUiaSession(conn: Conn, sessionId: string): Promise<UiaRow | undefined> {
  return find.first(conn, { sessionId })
}

/** Stores a session, or what was done in it since; its user, operation and age stay. */
export async function putUiaSession(
  tx: Tx,
  session: {
    readonly sessionId: string
    readonly userNid: number | null
    readonly operation: string
    readonly completed: string
    readonly bound: string
    readonly ts: number
  },
): Promise<void> {
  await put(tx, session)
}

/** Uses a session up; false where it was gone. */
export async function deleteUiaSession(tx: Tx, sessionId: string): Promise<boolean> {
  return (await remove(tx, { sessionId })) > 0
}

/** Ends all sessions of a user. */
export async function deleteUiaSessionsOfUser(tx: Tx, userNid: number): Promise<void> {
  await ofUser(tx, { userNid })
}

/** Removes sessions begun before `before`. */
export async function deleteOldUiaSessions(tx: Tx, before: number): Promise<number> {
  return old(tx, { before })
}
