import * as v from 'valibot'
import { assertSelf } from '../../accounts/active.ts'
import { setTyping } from '../../delivery/typing.ts'
import { endpoint } from '../endpoint.ts'
import { roomId, userId } from '../schemas.ts'

/** Whether a user is typing (client-server API, "Typing Notifications"). */
export const typing = endpoint({
  method: 'PUT',
  path: '/_matrix/client/v3/rooms/:roomId/typing/:userId',
  auth: 'user',
  limit: 'write',
  params: v.object({ roomId, userId }),
  body: v.object({ typing: v.boolean(), timeout: v.nullish(v.pipe(v.number(), v.integer())) }),
  async handle({ deps, requester, params, body }) {
    assertSelf(requester, params.userId, 'typing')
    await setTyping(deps, requester, params.roomId, { isTyping: body.typing, timeoutMs: body.timeout ?? undefined })
    return {}
  },
})

export const endpoints = [typing]
