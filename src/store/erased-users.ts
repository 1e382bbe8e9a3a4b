import type { Conn } from './database.ts'
import { sqlQuery } from './query.ts'

/** The mark of an erased user, as stored. */
export interface ErasedUserRow {
  readonly user_nid: number
  readonly erased_ts: number
  readonly erasure_mode: string
  readonly returned_ts: number | null
}

const list = sqlQuery<object, ErasedUserRow>(
  'listErasedUsers',
  `select user_nid, erased_ts, coalesce(erasure_mode, 'redact') as erasure_mode, returned_ts
   from users where erased_ts is not null`,
)

/** All users who were erased here or elsewhere. */
export function listErasedUsers(conn: Conn): Promise<ErasedUserRow[]> {
  return list(conn)
}
