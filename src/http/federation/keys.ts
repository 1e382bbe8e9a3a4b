import * as v from 'valibot'
import { MatrixError } from '../../protocol/errors.ts'
import { parseServerName, type ServerName } from '../../protocol/ids.ts'
import { isJsonObject, memberOf } from '../../protocol/json.ts'
import type { JsonObject } from '../../protocol/json-types.ts'
import type { Deps } from '../deps.ts'
import { endpoint } from '../endpoint.ts'
import { integerParam, jsonObject, serverName } from '../schemas.ts'

/** Servers in one question to us as a notary; each may cost a request to it. */
const maxServers = 20

/** Our own keys (server-server API, "Publishing Keys"). */
export const ownKeys = endpoint({
  method: 'GET',
  path: '/_matrix/key/v2/server',
  aliases: ['/_matrix/key/v2/server/:keyId'],
  auth: 'none',
  limit: 'federation',
  handle: ({ deps }) => deps.keyRing.ownDocument(),
})

/** Another server's keys, signed by us too ("Querying Keys Through Another Server"). */
export const queryKeys = endpoint({
  method: 'GET',
  path: '/_matrix/key/v2/query/:serverName',
  aliases: ['/_matrix/key/v2/query/:serverName/:keyId'],
  auth: 'none',
  limit: 'federation',
  params: v.object({ serverName }),
  query: v.object({ minimum_valid_until_ts: v.optional(integerParam()) }),
  async handle({ deps, params, query }) {
    const minimumTs = query.minimum_valid_until_ts ?? deps.clock.now()
    return { server_keys: await deps.keyRing.notarised(params.serverName, minimumTs) }
  },
})

/** As `queryKeys`, of several servers. */
export const queryManyKeys = endpoint({
  method: 'POST',
  path: '/_matrix/key/v2/query',
  auth: 'none',
  limit: 'federation',
  body: v.object({ server_keys: jsonObject }),
  async handle({ deps, body }) {
    const asked = Object.entries(body.server_keys)
    if (asked.length > maxServers) throw new MatrixError('M_TOO_LARGE', `more than ${maxServers} servers`)
    const documents = await Promise.all(asked.map(([name, wish]) => notarised(deps, parseServerName(name), wish)))
    return { server_keys: documents.flat() }
  },
})

async function notarised(deps: Deps, server: ServerName | undefined, wish: unknown): Promise<JsonObject[]> {
  if (server === undefined || !isJsonObject(wish)) return []
  const wishedTs = Object.values(wish).map((criteria) =>
    isJsonObject(criteria) ? memberOf(criteria, 'minimum_valid_until_ts') : undefined,
  )
  const stated = wishedTs.filter((ts) => typeof ts === 'number')
  return deps.keyRing.notarised(server, stated.length === 0 ? deps.clock.now() : Math.max(...stated))
}

export const endpoints = [ownKeys, queryKeys, queryManyKeys]
