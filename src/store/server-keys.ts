import { eq } from 'drizzle-orm'
import { server_keys } from '../../schema/tables/federation.ts'
import { servers } from '../../schema/tables/rooms.ts'
import type { KeyId, ServerName } from '../protocol/ids.ts'
import type { Conn, Tx } from './database.ts'
import { insertMany } from './insert-many.ts'
import { query } from './query.ts'
import { putServer } from './servers.ts'

/** A public key of another server. */
export interface ServerKey {
  readonly keyId: KeyId
  /** 32 bytes, unpadded base64 */
  readonly publicKey: string
  readonly validUntilTs: number
  /** since then it is an old key, for events only; null: it is in use */
  readonly expiredTs: number | null
  /** `own`, or the notary that told */
  readonly source: string
  readonly fetchedTs: number
  /** the signed document that it came in */
  readonly document: string
}

const list = query<{ names: readonly string[] }>('listServerKeys')(({ db, t, p, anyOf }) =>
  db
    .select({
      server: t(servers).name,
      keyId: t(server_keys).key_id,
      publicKey: t(server_keys).public_key,
      validUntilTs: t(server_keys).valid_until_ts,
      expiredTs: t(server_keys).expired_ts,
      source: t(server_keys).source,
      fetchedTs: t(server_keys).fetched_ts,
      document: t(server_keys).document,
    })
    .from(t(server_keys))
    .innerJoin(t(servers), eq(t(servers).server_nid, t(server_keys).server_nid))
    .where(anyOf(t(servers).name, p.names)),
)

const put = insertMany(
  'putServerKeys',
  server_keys,
  ['server_nid', 'key_id', 'public_key', 'valid_until_ts', 'expired_ts', 'source', 'fetched_ts', 'document'],
  {
    onConflict: {
      key: ['server_nid', 'key_id'],
      update: ['public_key', 'valid_until_ts', 'expired_ts', 'source', 'fetched_ts', 'document'],
    },
  },
)

/** The keys that are known of servers. */
export async function listServerKeys(conn: Conn, names: readonly ServerName[]): Promise<Map<ServerName, ServerKey[]>> {
  const byServer = new Map<ServerName, ServerKey[]>()
  for (const { server, ...key } of names.length === 0 ? [] : await list(conn, { names })) {
    const of = byServer.get(server as ServerName) ?? []
    of.push({ ...key, keyId: key.keyId as KeyId })
    byServer.set(server as ServerName, of)
  }
  return byServer
}

/** Stores keys of a server; one that is known under the same id is replaced: which one counts is the key ring's to say. */
export async function putServerKeys(tx: Tx, server: ServerName, keys: readonly ServerKey[]): Promise<void> {
  const server_nid = await putServer(tx, server)
  await put(
    tx,
    keys.map((key) => ({
      server_nid,
      key_id: key.keyId,
      public_key: key.publicKey,
      valid_until_ts: key.validUntilTs,
      expired_ts: key.expiredTs,
      source: key.source,
      fetched_ts: key.fetchedTs,
      document: key.document,
    })),
  )
}
