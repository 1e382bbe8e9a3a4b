import * as v from 'valibot'
import { setMarks } from '../../delivery/receipts.ts'
import type { Mark, MarkType } from '../../delivery/receipts.ts'
import { MatrixError } from '../../protocol/errors.ts'
import { memberOf } from '../../protocol/json.ts'
import type { JsonObject } from '../../protocol/json-types.ts'
import { endpoint } from '../endpoint.ts'
import { eventId, jsonObject, roomId } from '../schemas.ts'

const markTypes = ['m.read', 'm.read.private', 'm.fully_read'] as const

/** How far a user has read (client-server API, "Receipts"). */
export const receipt = endpoint({
  method: 'POST',
  path: '/_matrix/client/v3/rooms/:roomId/receipt/:receiptType/:eventId',
  auth: 'user',
  limit: 'write',
  params: v.object({ roomId, receiptType: v.picklist(markTypes), eventId }),
  body: jsonObject,
  async handle({ deps, requester, params, body }) {
    const mark: Mark = { type: params.receiptType, eventId: params.eventId, threadId: threadIdOf(body) }
    await setMarks(deps, requester, params.roomId, [mark])
    return {}
  },
})

function threadIdOf(body: JsonObject): string | undefined {
  const threadId = memberOf(body, 'thread_id')
  if (threadId === undefined) return undefined
  if (typeof threadId !== 'string' || threadId === '')
    throw new MatrixError('M_INVALID_PARAM', 'thread_id must be a string that is not empty')
  return threadId
}

/** The fully-read marker and receipts at once (client-server API, "Fully read markers"). */
export const readMarkers = endpoint({
  method: 'POST',
  path: '/_matrix/client/v3/rooms/:roomId/read_markers',
  auth: 'user',
  limit: 'write',
  params: v.object({ roomId }),
  body: v.object({
    'm.fully_read': v.nullish(eventId),
    'm.read': v.nullish(eventId),
    'm.read.private': v.nullish(eventId),
  } satisfies Record<MarkType, unknown>),
  async handle({ deps, requester, params, body }) {
    const marks = markTypes.flatMap((type): Mark[] => {
      const id = body[type]
      return id == null ? [] : [{ type, eventId: id }]
    })
    await setMarks(deps, requester, params.roomId, marks)
    return {}
  },
})

export const endpoints = [receipt, readMarkers]
