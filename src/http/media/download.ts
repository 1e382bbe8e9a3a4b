import * as v from 'valibot'
import type { Requester } from '../../accounts/requester.ts'
import { cleanFileName } from '../../media/content-type.ts'
import { noteFetch, openFile, openThumbnail, waitForLocal } from '../../media/open.ts'
import type { OpenFile } from '../../media/open.ts'
import { MatrixError } from '../../protocol/errors.ts'
import type { ServerName } from '../../protocol/ids.ts'
import { assertUserMayReadMedia } from '../../rooms/media-visibility.ts'
import type { Deps } from '../deps.ts'
import { endpoint } from '../endpoint.ts'
import { binaryReply } from '../reply.ts'
import type { HttpRequest } from '../request.ts'
import { booleanParam, serverName } from '../schemas.ts'
import { mediaId, thumbnailQuery, timeoutMs } from './address.ts'

interface Wanted {
  readonly origin: ServerName
  readonly mediaId: string
  readonly timeoutMs: number
  readonly allowRemote: boolean
}

/** The row of a file that this user may read; the fetch is on record before the first byte. */
async function rowFor(deps: Deps, requester: Requester, wanted: Wanted, request: HttpRequest) {
  const { origin, mediaId, timeoutMs } = wanted
  if (origin !== deps.serverName && !wanted.allowRemote)
    throw new MatrixError('M_NOT_FOUND', 'the file is on another server')
  await assertUserMayReadMedia(deps, requester, wanted)
  const row =
    origin === deps.serverName
      ? await waitForLocal(deps, mediaId, timeoutMs, request.signal)
      : await deps.remoteFetches.get(deps, origin, mediaId, timeoutMs)
  if (row.quarantined) throw new MatrixError('M_NOT_FOUND', 'unknown media')
  await noteFetch(deps, row, { userNid: requester.userNid })
  return row
}

const reply = (file: OpenFile) => binaryReply(file.chunks, file.headers)
const query = v.object({ timeout_ms: timeoutMs, allow_remote: v.optional(booleanParam, 'true') })

const download = endpoint({
  method: 'GET',
  path: '/_matrix/client/v1/media/download/:serverName/:mediaId',
  auth: 'user',
  limit: 'media',
  guests: true,
  params: v.object({ serverName, mediaId }),
  query,
  async handle({ deps, requester, params, query, request }) {
    const wanted = {
      origin: params.serverName,
      mediaId: params.mediaId,
      timeoutMs: query.timeout_ms,
      allowRemote: query.allow_remote,
    }
    return reply(await openFile(deps, await rowFor(deps, requester, wanted, request)))
  },
})

const downloadNamed = endpoint({
  method: 'GET',
  path: '/_matrix/client/v1/media/download/:serverName/:mediaId/:fileName',
  auth: 'user',
  limit: 'media',
  guests: true,
  params: v.object({ serverName, mediaId, fileName: v.string() }),
  query,
  async handle({ deps, requester, params, query, request }) {
    const wanted = {
      origin: params.serverName,
      mediaId: params.mediaId,
      timeoutMs: query.timeout_ms,
      allowRemote: query.allow_remote,
    }
    const row = await rowFor(deps, requester, wanted, request)
    return reply(await openFile(deps, row, cleanFileName(params.fileName) ?? undefined))
  },
})

const thumbnail = endpoint({
  method: 'GET',
  path: '/_matrix/client/v1/media/thumbnail/:serverName/:mediaId',
  auth: 'user',
  limit: 'media',
  guests: true,
  params: v.object({ serverName, mediaId }),
  query: v.object(thumbnailQuery),
  async handle({ deps, requester, params, query, request }) {
    const wanted = {
      origin: params.serverName,
      mediaId: params.mediaId,
      timeoutMs: query.timeout_ms,
      allowRemote: true,
    }
    return reply(await openThumbnail(deps, await rowFor(deps, requester, wanted, request), query))
  },
})

export const endpoints = [download, downloadNamed, thumbnail]
