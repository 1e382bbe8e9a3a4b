import { MatrixError } from '../protocol/errors.ts'
import { canonicalJson } from '../protocol/canonical-json.ts'
import { parseFilter } from '../protocol/filter.ts'
import type { JsonObject } from '../protocol/json-types.ts'
import { utf8Length } from '../protocol/text.ts'
import { countFilters, findEqualFilter, findFilter, insertFilter } from '../store/filters.ts'
import { writeAsUser } from './active.ts'
import type { AccountsDeps } from './deps.ts'
import type { Requester } from './requester.ts'

const maxFilterBytes = 65_536
const maxFilters = 1000

/**
 * Stores a filter; the same one twice gives the same id. Throws `M_BAD_JSON` for what is none, `M_TOO_LARGE` over 64 KiB,
 * `M_RESOURCE_LIMIT_EXCEEDED` from the 1,000th of a user on.
 */
export async function putFilter(
  deps: Pick<AccountsDeps, 'database'>,
  requester: Requester,
  filter: JsonObject,
): Promise<string> {
  parseFilter(filter)
  const text = canonicalJson(filter)
  if (utf8Length(text) > maxFilterBytes) throw new MatrixError('M_TOO_LARGE', 'A filter of more than 64 KiB')
  const { userNid } = requester
  const known = await deps.database.read((conn) => findEqualFilter(conn, userNid, text))
  if (known !== undefined) return String(known)
  const nid = await writeAsUser(deps, userNid, async (tx) => {
    const same = await findEqualFilter(tx, userNid, text)
    if (same !== undefined) return same
    if ((await countFilters(tx, userNid)) >= maxFilters)
      throw new MatrixError('M_RESOURCE_LIMIT_EXCEEDED', 'Too many filters')
    return insertFilter(tx, userNid, text)
  })
  return String(nid)
}

/** A filter of the user, as serialised JSON. Throws `M_NOT_FOUND`. */
export async function getFilter(
  deps: Pick<AccountsDeps, 'database'>,
  user: Pick<Requester, 'userNid'>,
  filterId: string,
): Promise<string> {
  const filter = /^[0-9]{1,15}$/.test(filterId)
    ? await deps.database.read((conn) => findFilter(conn, user.userNid, Number(filterId)))
    : undefined
  if (filter === undefined) throw new MatrixError('M_NOT_FOUND', 'No such filter')
  return filter
}
