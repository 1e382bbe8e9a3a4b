import { turnCredentials } from '../../accounts/turn.ts'
import { MatrixError } from '../../protocol/errors.ts'
import { endpoint } from '../endpoint.ts'

export const turnServer = endpoint({
  method: 'GET',
  path: '/_matrix/client/v3/voip/turnServer',
  auth: 'user',
  limit: 'read',
  guests: true,
  handle: ({ deps }) => turnCredentials(deps),
})

export const thirdPartyProtocols = endpoint({
  method: 'GET',
  path: '/_matrix/client/v3/thirdparty/protocols',
  auth: 'user',
  limit: 'read',
  handle: () => ({}),
})

export const pushers = endpoint({
  method: 'GET',
  path: '/_matrix/client/v3/pushers',
  auth: 'user',
  limit: 'read',
  handle: () => ({ pushers: [] }),
})

export const keyBackupVersion = endpoint({
  method: 'GET',
  path: '/_matrix/client/v3/room_keys/version',
  auth: 'user',
  limit: 'read',
  handle() {
    throw new MatrixError('M_NOT_FOUND', 'No current backup version')
  },
})

export const endpoints = [turnServer, thirdPartyProtocols, pushers, keyBackupVersion]
