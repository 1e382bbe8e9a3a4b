import * as v from 'valibot'
import { MatrixError } from '../../protocol/errors.ts'
import { inviteUser } from '../../rooms/invite.ts'
import { endpoint } from '../endpoint.ts'
import { roomId, userId } from '../schemas.ts'

export const invite = endpoint({
  method: 'POST',
  path: '/_matrix/client/v3/rooms/:roomId/invite',
  auth: 'user',
  limit: 'write',
  suspended: false,
  params: v.object({ roomId }),
  body: v.object({ user_id: v.optional(userId), reason: v.optional(v.string()), medium: v.optional(v.string()) }),
  async handle({ deps, requester, params, body: { user_id: target, reason, medium } }) {
    if (target === undefined && medium !== undefined)
      throw new MatrixError('M_THREEPID_DENIED', 'This server does not invite by e-mail address or phone number')
    if (target === undefined) throw new MatrixError('M_MISSING_PARAM', 'user_id: missing')
    await inviteUser(deps, requester, { roomId: params.roomId, target, reason })
    return {}
  },
})

export const endpoints = [invite]
