import type { UserId } from '../../protocol/ids.ts'
import type { Tx } from '../../store/database.ts'
import { putStrippedState } from '../../store/memberships.ts'
import { escapeLike } from '../../store/query.ts'
import { listStrippedStateNaming } from '../../store/scrub.ts'
import { withoutPerson } from './stripped.ts'

/** Takes name, picture and reasons of a person out of the invites and knocks of others that wait. */
export async function scrubStrippedState(tx: Tx, userId: UserId): Promise<void> {
  for (const row of await listStrippedStateNaming(tx, `%${escapeLike(userId)}%`)) {
    const stripped = withoutPerson(row.stripped_state, userId)
    if (stripped !== row.stripped_state) await putStrippedState(tx, row.user_nid, row.room_nid, stripped)
  }
}
