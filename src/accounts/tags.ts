import { MatrixError } from '../protocol/errors.ts'
import type { RoomId } from '../protocol/ids.ts'
import { isJsonObject, memberOf } from '../protocol/json.ts'
import type { Json, JsonObject } from '../protocol/json-types.ts'
import { utf8Length } from '../protocol/text.ts'
import { changeAccountData, getAccountData } from './account-data.ts'
import type { AccountsDeps } from './deps.ts'
import type { Requester } from './requester.ts'

type Deps = Pick<AccountsDeps, 'database' | 'changes'>

/** The tags of a room, by name (client-server API, "Room Tagging"). */
export async function getTags(deps: Deps, requester: Requester, roomId: RoomId): Promise<JsonObject> {
  try {
    return tagsIn(JSON.parse(await getAccountData(deps, requester, roomId, 'm.tag')) as Json)
  } catch (error) {
    if (error instanceof MatrixError && error.errcode === 'M_NOT_FOUND') return {}
    throw error
  }
}

/** Adds a tag or changes it. Throws `M_INVALID_PARAM` for a name over 255 bytes, `M_BAD_JSON` for an order that is no number. */
export async function setTag(
  deps: Deps,
  requester: Requester,
  roomId: RoomId,
  tag: string,
  content: JsonObject,
): Promise<void> {
  if (tag === '' || utf8Length(tag) > 255)
    throw new MatrixError('M_INVALID_PARAM', 'The name of a tag has 1 to 255 bytes')
  const order = memberOf(content, 'order')
  if (order !== undefined && typeof order !== 'number') throw new MatrixError('M_BAD_JSON', 'order must be a number')
  await changeAccountData(deps, requester, roomId, 'm.tag', (before) => ({
    ...before,
    tags: { ...tagsIn(before), [tag]: content },
  }))
}

/** Removes a tag; one that is not there is no error. */
export async function removeTag(deps: Deps, requester: Requester, roomId: RoomId, tag: string): Promise<void> {
  await changeAccountData(deps, requester, roomId, 'm.tag', (before) => {
    const { [tag]: _, ...others } = tagsIn(before)
    return { ...before, tags: others }
  })
}

function tagsIn(content: Json): JsonObject {
  const tags = isJsonObject(content) ? memberOf(content, 'tags') : undefined
  return isJsonObject(tags) ? tags : {}
}
