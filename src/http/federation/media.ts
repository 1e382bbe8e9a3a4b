import * as v from 'valibot'
import { asMediaParts, noteFetch, openFile, openThumbnail, waitForLocal } from '../../media/open.ts'
import type { OpenFile } from '../../media/open.ts'
import type { ServerName } from '../../protocol/ids.ts'
import { assertServerMayReadMedia } from '../../rooms/media-visibility.ts'
import type { Deps } from '../deps.ts'
import { endpoint } from '../endpoint.ts'
import { mediaId, thumbnailQuery, timeoutMs } from '../media/address.ts'
import { binaryReply } from '../reply.ts'
import type { HttpRequest } from '../request.ts'

async function rowFor(deps: Deps, origin: ServerName, id: string, timeoutMs: number, request: HttpRequest) {
  const serverNid = await assertServerMayReadMedia(deps, origin, id)
  const row = await waitForLocal(deps, id, timeoutMs, request.signal)
  await noteFetch(deps, row, { serverNid })
  return row
}

function reply(file: OpenFile) {
  const { chunks, headers } = asMediaParts(file)
  return binaryReply(chunks, headers)
}

const download = endpoint({
  method: 'GET',
  path: '/_matrix/federation/v1/media/download/:mediaId',
  auth: 'server',
  limit: 'federation',
  params: v.object({ mediaId }),
  query: v.object({ timeout_ms: timeoutMs }),
  async handle({ deps, requester, params, query, request }) {
    return reply(await openFile(deps, await rowFor(deps, requester.origin, params.mediaId, query.timeout_ms, request)))
  },
})

const thumbnail = endpoint({
  method: 'GET',
  path: '/_matrix/federation/v1/media/thumbnail/:mediaId',
  auth: 'server',
  limit: 'federation',
  params: v.object({ mediaId }),
  query: v.object(thumbnailQuery),
  async handle({ deps, requester, params, query, request }) {
    return reply(
      await openThumbnail(deps, await rowFor(deps, requester.origin, params.mediaId, query.timeout_ms, request), query),
    )
  },
})

export const endpoints = [download, thumbnail]
