import * as v from 'valibot'
import { getErasure, listErasureSummaries, showErasure } from '../../privacy/erasure/show.ts'
import { cancelErasure, holdErasure, releaseErasure, retryErasure } from '../../privacy/erasure/operate.ts'
import { previewErasure } from '../../privacy/erasure/preview.ts'
import { requestErasure } from '../../privacy/erasure/request.ts'
import { meantUser } from '../../admin/users.ts'
import { endpoint } from '../endpoint.ts'

const mode = v.optional(v.picklist(['redact', 'forget']))

/** All erasures. */
export const listAllErasures = endpoint({
  method: 'GET',
  path: '/_lethe/admin/v1/erasures',
  auth: 'admin',
  limit: 'admin',
  handle: async ({ deps }) => ({ erasures: await listErasureSummaries(deps) }),
})

/** Begins an erasure; with `dry_run` says what it would concern. */
export const beginErasure = endpoint({
  method: 'POST',
  path: '/_lethe/admin/v1/erasures',
  auth: 'admin',
  limit: 'admin',
  body: v.object({ user: v.string(), reason: v.optional(v.string()), mode, dry_run: v.optional(v.boolean(), false) }),
  async handle({ deps, requester, body }) {
    const userId = meantUser(deps, body.user)
    if (body.dry_run) return previewErasure(deps, userId, body.mode)
    const { reason } = body
    const begun = await requestErasure(deps, { userId, mode: body.mode, by: requester.actor, reason })
    return { id: begun.id, user_id: begun.userId, state: begun.state, mode: begun.mode, receipt: begun.receipt ?? null }
  },
})

/** One erasure, by its id or its user. */
export const showOneErasure = endpoint({
  method: 'GET',
  path: '/_lethe/admin/v1/erasures/:erasure',
  auth: 'admin',
  limit: 'admin',
  handle: async ({ deps, params }) => showErasure(deps, await getErasure(deps, params.erasure)),
})

const operations = { cancel: cancelErasure, hold: holdErasure, release: releaseErasure, retry: retryErasure }

/** Calls an erasure off, holds it, releases it, or tries again what waits for other servers. */
export const operateErasure = endpoint({
  method: 'POST',
  path: '/_lethe/admin/v1/erasures/:erasure/:operation',
  auth: 'admin',
  limit: 'admin',
  params: v.object({ erasure: v.string(), operation: v.picklist(['cancel', 'hold', 'release', 'retry']) }),
  body: v.object({ reason: v.optional(v.string(), '') }),
  async handle({ deps, requester, params, body }) {
    const row = await getErasure(deps, params.erasure)
    await operations[params.operation](deps, row, { actor: requester.actor, reason: body.reason })
    return showErasure(deps, await getErasure(deps, row.id))
  },
})

export const endpoints = [listAllErasures, beginErasure, showOneErasure, operateErasure]
