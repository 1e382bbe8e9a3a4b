import * as v from 'valibot'
import { receiveErasure } from '../../privacy/inbound/receive-erasure.ts'
import { endpoint } from '../endpoint.ts'
import { userId } from '../schemas.ts'

/** A server asks us to forget one of its users (MSC2438). */
export const eraseUser = endpoint({
  method: 'POST',
  path: '/_matrix/federation/v1/user/erase',
  aliases: ['/_matrix/federation/unstable/org.matrix.msc2438/user/erase'],
  auth: 'server',
  limit: 'federation',
  body: v.object({ user_id: userId }),
  async handle({ deps, requester, body }) {
    await receiveErasure(deps, requester.origin, body.user_id)
    return {}
  },
})

export const endpoints = [eraseUser]
