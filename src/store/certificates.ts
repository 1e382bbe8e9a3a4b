import { desc, eq } from 'drizzle-orm'
import { certificates } from '../../schema/tables/erasure.ts'
import type { Conn, Tx } from './database.ts'
import { query, sqlRun } from './query.ts'

const ofErasure = query<{ nid: number }>('findCertificate')(({ db, t, p }) =>
  db
    .select()
    .from(t(certificates))
    .where(eq(t(certificates).erasure_nid, p.nid)),
)
const last = query('findLastCertificate')(({ db, t }) =>
  db
    .select({ hash: t(certificates).hash })
    .from(t(certificates))
    .orderBy(desc(t(certificates).certificate_nid))
    .limit(1),
)
// the row is there to be locked
const lock = sqlRun<object>(
  'lockCertificates',
  `insert into facts (name, value) values ('certificates', '') on conflict (name) do update set value = excluded.value`,
)
const insert = query<{ nid: number; certificate: string; hash: string }>('insertCertificate')(({ db, t, p }) =>
  db
    .insert(t(certificates))
    .values({ erasure_nid: p.nid, certificate: p.certificate, hash: p.hash })
    .onConflictDoNothing(),
)

/** The certificate of an erasure, as serialised JSON. */
export async function findCertificate(conn: Conn, erasureNid: number): Promise<string | undefined> {
  return (await ofErasure.first(conn, { nid: erasureNid }))?.certificate
}

/**
 * The hash of the newest certificate, undefined where there is none. Until the transaction ends no other process issues
 * one: each is bound to the one before.
 */
export async function lockLastCertificateHash(tx: Tx): Promise<string | undefined> {
  await lock(tx)
  return (await last.first(tx))?.hash
}

/** Keeps a certificate; one that exists stays. */
export async function insertCertificate(tx: Tx, erasureNid: number, certificate: string, hash: string): Promise<void> {
  await insert(tx, { nid: erasureNid, certificate, hash })
}
