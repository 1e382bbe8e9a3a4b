import { endpoint } from '../endpoint.ts'
import { jsonReply } from '../reply.ts'

const supported = [
  'r0.0.1',
  'r0.1.0',
  'r0.2.0',
  'r0.3.0',
  'r0.4.0',
  'r0.5.0',
  'r0.6.0',
  'r0.6.1',
  ...Array.from({ length: 19 }, (_, minor) => `v1.${minor + 1}`),
]

/** Features that clients look for beside the versions; each one works. */
const features = {
  'uk.tcpip.msc4133.stable': true,
}

export const versions = endpoint({
  method: 'GET',
  path: '/_matrix/client/versions',
  auth: 'optional',
  limit: 'read',
  guests: true,
  handle: () => jsonReply({ versions: supported, unstable_features: features }, { headers: { vary: 'Authorization' } }),
})

export const endpoints = [versions]
