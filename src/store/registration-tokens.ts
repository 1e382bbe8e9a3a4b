import { and, asc, eq, gt, isNull, lt, or, sql } from 'drizzle-orm'
import { registration_tokens } from '../../schema/tables/users.ts'
import type { Conn, Tx } from './database.ts'
import { query } from './query.ts'

/** A token with which accounts may be made. */
export interface RegistrationTokenRow {
  readonly token: string
  /** null: any number */
  readonly uses_allowed: number | null
  readonly pending: number
  readonly completed: number
  readonly expires_ts: number | null
}

const find = query<{ token: string }>('find_registration_token')(({ db, t, p }) =>
  db
    .select()
    .from(t(registration_tokens))
    .where(eq(t(registration_tokens).token, p.token)),
)

const list = query('list_registration_tokens')(({ db, t }) =>
  db
    .select()
    .from(t(registration_tokens))
    .orderBy(asc(t(registration_tokens).token)),
)

const insert = query<{ token: string; usesAllowed: number | null; expiresTs: number | null }>(
  'insert_registration_token',
)(({ db, t, p }) =>
  db
    .insert(t(registration_tokens))
    .values({ token: p.token, uses_allowed: p.usesAllowed, expires_ts: p.expiresTs, pending: 0, completed: 0 })
    .onConflictDoNothing(),
)

const change = query<{ token: string; usesAllowed: number | null; expiresTs: number | null }>('put_registration_token')(
  ({ db, t, p }) =>
    db
      .update(t(registration_tokens))
      .set({ uses_allowed: p.usesAllowed, expires_ts: p.expiresTs })
      .where(eq(t(registration_tokens).token, p.token)),
)

const use = query<{ token: string; now: number }>('put_registration_token_use')(({ db, t, p }) =>
  db
    .update(t(registration_tokens))
    .set({ completed: sql`${t(registration_tokens).completed} + 1` })
    .where(
      and(
        eq(t(registration_tokens).token, p.token),
        or(isNull(t(registration_tokens).expires_ts), gt(t(registration_tokens).expires_ts, p.now)),
        or(
          isNull(t(registration_tokens).uses_allowed),
          lt(t(registration_tokens).completed, t(registration_tokens).uses_allowed),
        ),
      ),
    ),
)

const remove = query<{ token: string }>('delete_registration_token')(({ db, t, p }) =>
  db.delete(t(registration_tokens)).where(eq(t(registration_tokens).token, p.token)),
)

/** A token, or undefined. */
export async function findRegistrationToken(conn: Conn, token: string): Promise<RegistrationTokenRow | undefined> {
  return find.first(conn, { token })
}

/** All tokens. */
export async function listRegistrationTokens(conn: Conn): Promise<RegistrationTokenRow[]> {
  return list(conn)
}

/** How often and how long a token is good: null for without end. */
export interface RegistrationTokenLimits {
  readonly usesAllowed: number | null
  readonly expiresTs: number | null
}

/** Makes a token; false where it exists. */
export async function insertRegistrationToken(
  tx: Tx,
  token: string,
  limits: RegistrationTokenLimits,
): Promise<boolean> {
  const { usesAllowed, expiresTs } = limits
  return (await insert(tx, { token, usesAllowed, expiresTs })) > 0
}

/** Changes a token; false where there is none. */
export async function putRegistrationToken(tx: Tx, token: string, limits: RegistrationTokenLimits): Promise<boolean> {
  const { usesAllowed, expiresTs } = limits
  return (await change(tx, { token, usesAllowed, expiresTs })) > 0
}

/** Uses a token once; false where it is unknown, expired or used up. */
export async function putRegistrationTokenUse(tx: Tx, token: string, now: number): Promise<boolean> {
  return (await use(tx, { token, now })) > 0
}

/** Removes a token; false where there is none. */
export async function deleteRegistrationToken(tx: Tx, token: string): Promise<boolean> {
  return (await remove(tx, { token })) > 0
}
