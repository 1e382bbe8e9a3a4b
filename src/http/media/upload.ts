import * as v from 'valibot'
import { reserveMedia, upload, uploadReserved } from '../../media/upload.ts'
import { endpoint } from '../endpoint.ts'
import { firstOf, serverName } from '../schemas.ts'
import { mediaId } from './address.ts'

const query = v.object({ filename: v.optional(firstOf) })

const uploadContent = endpoint({
  method: 'POST',
  path: '/_matrix/media/v3/upload',
  auth: 'user',
  limit: 'media',
  suspended: false,
  bodyKind: 'media',
  query,
  async handle({ deps, requester, query, request }) {
    const uri = await upload(deps, {
      userNid: requester.userNid,
      chunks: request.stream(deps.config.media.maxUploadBytes),
      contentType: request.header('content-type'),
      fileName: query.filename,
    })
    return { content_uri: uri }
  },
})

const createContent = endpoint({
  method: 'POST',
  path: '/_matrix/media/v1/create',
  auth: 'user',
  limit: 'media',
  suspended: false,
  async handle({ deps, requester }) {
    const { uri, expiresTs } = await reserveMedia(deps, requester.userNid)
    return { content_uri: uri, unused_expires_at: expiresTs }
  },
})

const uploadToAddress = endpoint({
  method: 'PUT',
  path: '/_matrix/media/v3/upload/:serverName/:mediaId',
  auth: 'user',
  limit: 'media',
  suspended: false,
  bodyKind: 'media',
  params: v.object({ serverName, mediaId }),
  query,
  async handle({ deps, requester, params, query, request }) {
    await uploadReserved(
      deps,
      { origin: params.serverName, mediaId: params.mediaId },
      {
        userNid: requester.userNid,
        chunks: request.stream(deps.config.media.maxUploadBytes),
        contentType: request.header('content-type'),
        fileName: query.filename,
      },
    )
    return {}
  },
})

const config = endpoint({
  method: 'GET',
  path: '/_matrix/client/v1/media/config',
  aliases: ['/_matrix/media/v3/config'],
  auth: 'user',
  limit: 'read',
  guests: true,
  handle: ({ deps }) => ({ 'm.upload.size': deps.config.media.maxUploadBytes }),
})

export const endpoints = [uploadContent, createContent, uploadToAddress, config]
