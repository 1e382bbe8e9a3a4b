import * as v from 'valibot'
import { cleanFileName } from '../../media/content-type.ts'
import { openFile, openThumbnail, waitForLocal } from '../../media/open.ts'
import type { OpenFile } from '../../media/open.ts'
import { MatrixError } from '../../protocol/errors.ts'
import type { ServerName } from '../../protocol/ids.ts'
import { assertAnybodyMayReadMedia } from '../../rooms/media-visibility.ts'
import type { Deps } from '../deps.ts'
import { endpoint } from '../endpoint.ts'
import { binaryReply } from '../reply.ts'
import type { HttpRequest } from '../request.ts'
import { serverName } from '../schemas.ts'
import { mediaId, thumbnailQuery, timeoutMs } from './address.ts'

interface Wanted {
  readonly serverName: ServerName
  readonly mediaId: string
  readonly timeoutMs: number
}

/**
 * The row of a file for somebody without an account (client-server API, "Content repository", deprecated endpoints): ours
 * only, and only where the configuration leaves that open. Nothing is ever fetched from another server for them.
 */
async function rowFor(deps: Deps, wanted: Wanted, request: HttpRequest) {
  if (!deps.config.media.unauthenticatedAccess || wanted.serverName !== deps.serverName)
    throw new MatrixError('M_NOT_FOUND', 'there is no file for those who are not logged in')
  await assertAnybodyMayReadMedia(deps, wanted.mediaId)
  return waitForLocal(deps, wanted.mediaId, wanted.timeoutMs, request.signal)
}

const reply = (file: OpenFile) => binaryReply(file.chunks, file.headers)
const query = v.object({ timeout_ms: timeoutMs })

const download = endpoint({
  method: 'GET',
  path: '/_matrix/media/v3/download/:serverName/:mediaId',
  auth: 'none',
  limit: 'media',
  params: v.object({ serverName, mediaId }),
  query,
  async handle({ deps, params, query, request }) {
    return reply(await openFile(deps, await rowFor(deps, { ...params, timeoutMs: query.timeout_ms }, request)))
  },
})

const downloadNamed = endpoint({
  method: 'GET',
  path: '/_matrix/media/v3/download/:serverName/:mediaId/:fileName',
  auth: 'none',
  limit: 'media',
  params: v.object({ serverName, mediaId, fileName: v.string() }),
  query,
  async handle({ deps, params, query, request }) {
    const row = await rowFor(deps, { ...params, timeoutMs: query.timeout_ms }, request)
    return reply(await openFile(deps, row, cleanFileName(params.fileName) ?? undefined))
  },
})

const thumbnail = endpoint({
  method: 'GET',
  path: '/_matrix/media/v3/thumbnail/:serverName/:mediaId',
  auth: 'none',
  limit: 'media',
  params: v.object({ serverName, mediaId }),
  query: v.object(thumbnailQuery),
  async handle({ deps, params, query, request }) {
    const row = await rowFor(deps, { ...params, timeoutMs: query.timeout_ms }, request)
    return reply(await openThumbnail(deps, row, query))
  },
})

export const endpoints = [download, downloadNamed, thumbnail]
