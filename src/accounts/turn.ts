import { createHmac } from 'node:crypto'
import type { JsonObject } from '../protocol/json-types.ts'
import type { AccountsDeps } from './deps.ts'

/**
 * Credentials for the TURN server (`GET /voip/turnServer`), `{}` where none is configured. With a shared secret they end
 * after the configured time; their name is random, so that the TURN server does not learn who calls.
 */
export function turnCredentials(deps: Pick<AccountsDeps, 'config' | 'clock' | 'random'>): JsonObject {
  const { turn } = deps.config
  if (turn === null) return {}
  const ttl = Math.floor(turn.ttlMs / 1000)
  if (turn.sharedSecret !== null) {
    const username = `${Math.floor(deps.clock.now() / 1000) + ttl}:${deps.random.token(9)}`
    const password = createHmac('sha1', turn.sharedSecret).update(username).digest('base64')
    return { username, password, uris: turn.uris, ttl }
  }
  if (turn.user === null || turn.password === null) return {}
  return { username: turn.user, password: turn.password, uris: turn.uris, ttl }
}
