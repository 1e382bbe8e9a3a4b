import { LRUCache } from 'lru-cache'
import * as v from 'valibot'
import type { Requester } from '../../accounts/requester.ts'
import { getFilter } from '../../accounts/filters.ts'
import type { StateAfterKey } from '../../delivery/sync/request.ts'
import { mostTimeoutMs, sync as syncOf } from '../../delivery/sync/sync.ts'
import { parseFilter } from '../../protocol/filter.ts'
import type { Filter } from '../../protocol/filter.ts'
import { parseJson } from '../../protocol/json.ts'
import type { Deps } from '../deps.ts'
import { endpoint } from '../endpoint.ts'
import { booleanParam, integerParam } from '../schemas.ts'

/** Synchronise the client's state (client-server API, "Syncing"). */
export const sync = endpoint({
  method: 'GET',
  path: '/_matrix/client/v3/sync',
  auth: 'user',
  limit: 'sync',
  guests: true,
  query: v.object({
    filter: v.optional(v.string()),
    since: v.optional(v.string()),
    full_state: v.optional(booleanParam),
    set_presence: v.optional(v.string()),
    timeout: v.optional(integerParam({ most: mostTimeoutMs })),
    use_state_after: v.optional(booleanParam),
    'org.matrix.msc4222.use_state_after': v.optional(booleanParam),
  }),
  async handle({ deps, requester, query, request }) {
    return syncOf(deps, requester, {
      since: query.since === '' ? undefined : query.since,
      filter: await filterOf(deps, requester, query.filter),
      fullState: query.full_state ?? false,
      stateAfterKey: stateAfterKey(query.use_state_after, query['org.matrix.msc4222.use_state_after']),
      timeoutMs: query.timeout ?? 0,
      signal: request.signal,
    })
  },
})

/** The key of the answer mirrors the parameter that was asked with. */
function stateAfterKey(stable: boolean | undefined, unstable: boolean | undefined): StateAfterKey | undefined {
  if (stable === true) return 'state_after'
  return unstable === true ? 'org.matrix.msc4222.state_after' : undefined
}

/** A filter given by its id or as JSON, or the one that lets everything through. Throws `M_NOT_FOUND`, `M_NOT_JSON`, `M_BAD_JSON`. */
async function filterOf(deps: Deps, requester: Requester, text: string | undefined): Promise<Filter> {
  if (text === undefined || text === '') return parsed('{}')
  return parsed(text.startsWith('{') ? text : await getFilter(deps, requester, text))
}

/** Filters by their text: clients send the same one with each request. */
const filters = new LRUCache<string, Filter>({ maxSize: 2_000_000, sizeCalculation: (_, text) => 500 + text.length })

function parsed(text: string): Filter {
  const known = filters.get(text)
  if (known !== undefined) return known
  const made = parseFilter(parseJson(text, { mode: 'lenient' }))
  filters.set(text, made)
  return made
}

export const endpoints = [sync]
