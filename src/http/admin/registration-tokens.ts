import * as v from 'valibot'
import { makeRegistrationToken } from '../../accounts/registration-tokens.ts'
import { deleteToken, listTokens } from '../../admin/registration-tokens.ts'
import { endpoint } from '../endpoint.ts'

const count = v.pipe(v.number(), v.integer(), v.minValue(1))

/** Every registration token. */
export const listRegistrationTokens = endpoint({
  method: 'GET',
  path: '/_lethe/admin/v1/registration_tokens',
  auth: 'admin',
  limit: 'admin',
  handle: async ({ deps }) => ({ registration_tokens: await listTokens(deps) }),
})

/** Makes one: at random unless it is named, for any number of uses and without end unless these are given. */
export const createRegistrationToken = endpoint({
  method: 'POST',
  path: '/_lethe/admin/v1/registration_tokens',
  auth: 'admin',
  limit: 'admin',
  body: v.object({ token: v.optional(v.string()), uses_allowed: v.optional(count), expires_ts: v.optional(count) }),
  async handle({ deps, body }) {
    const limits = { usesAllowed: body.uses_allowed ?? null, expiresTs: body.expires_ts ?? null }
    return { token: await makeRegistrationToken(deps, limits, body.token) }
  },
})

/** Removes one. */
export const deleteRegistrationToken = endpoint({
  method: 'DELETE',
  path: '/_lethe/admin/v1/registration_tokens/:token',
  auth: 'admin',
  limit: 'admin',
  async handle({ deps, params }) {
    await deleteToken(deps, params.token)
    return {}
  },
})

export const endpoints = [listRegistrationTokens, createRegistrationToken, deleteRegistrationToken]
