import { serverVersion } from '../../util/version.ts'
import { endpoint } from '../endpoint.ts'

/** Which server this is (server-server API, `GET /version`). */
export const version = endpoint({
  method: 'GET',
  path: '/_matrix/federation/v1/version',
  auth: 'none',
  limit: 'federation',
  handle: () => ({ server: { name: 'Lethe', version: serverVersion } }),
})

export const endpoints = [version]
