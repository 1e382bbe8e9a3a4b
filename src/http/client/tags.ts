import * as v from 'valibot'
import { assertSelf } from '../../accounts/active.ts'
import { getTags, removeTag, setTag } from '../../accounts/tags.ts'
import { endpoint } from '../endpoint.ts'
import { jsonObject, roomId, userId } from '../schemas.ts'

const path = '/_matrix/client/v3/user/:userId/rooms/:roomId/tags/:tag'
const params = v.object({ userId, roomId, tag: v.string() })

export const tags = endpoint({
  method: 'GET',
  path: '/_matrix/client/v3/user/:userId/rooms/:roomId/tags',
  auth: 'user',
  limit: 'read',
  params: v.object({ userId, roomId }),
  async handle({ deps, requester, params: { userId: of, roomId: room } }) {
    assertSelf(requester, of, 'tags')
    return { tags: await getTags(deps, requester, room) }
  },
})

export const putTag = endpoint({
  method: 'PUT',
  path,
  auth: 'user',
  limit: 'write',
  params,
  body: jsonObject,
  async handle({ deps, requester, params: { userId: of, roomId: room, tag }, body }) {
    assertSelf(requester, of, 'tags')
    await setTag(deps, requester, room, tag, body)
    return {}
  },
})

export const deleteTag = endpoint({
  method: 'DELETE',
  path,
  auth: 'user',
  limit: 'write',
  params,
  async handle({ deps, requester, params: { userId: of, roomId: room, tag } }) {
    assertSelf(requester, of, 'tags')
    await removeTag(deps, requester, room, tag)
    return {}
  },
})

export const endpoints = [tags, putTag, deleteTag]
