import { MatrixError } from '../../protocol/errors.ts'
import type { Config } from '../../util/config.ts'
import { endpoint } from '../endpoint.ts'
import { jsonReply } from '../reply.ts'

/** Where other servers find this one (server-server API, "Server discovery", step 3). 404 where nothing is delegated. */
export const wellKnownServer = endpoint({
  method: 'GET',
  path: '/.well-known/matrix/server',
  auth: 'none',
  limit: 'none',
  handle({ deps: { config } }) {
    const server = delegatedServer(config)
    if (server === undefined) throw new MatrixError('M_NOT_FOUND', 'this server delegates nothing')
    return jsonReply({ 'm.server': server }, { headers: { 'cache-control': 'public, max-age=3600' } })
  },
})

export const endpoints = [wellKnownServer]

function delegatedServer({ wellKnown, publicBaseUrl, federation }: Config): string | undefined {
  if (!federation.enabled) return undefined
  if (wellKnown.server !== null) return wellKnown.server
  const { protocol, hostname, port } = new URL(publicBaseUrl)
  return protocol === 'https:' ? `${hostname}:${port === '' ? '443' : port}` : undefined
}
