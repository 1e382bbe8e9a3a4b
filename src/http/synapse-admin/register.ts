import * as v from 'valibot'
import { makeRegistrationNonce, registerBySharedSecret } from '../../accounts/shared-secret.ts'
import { sessionAnswer } from '../client/session-answer.ts'
import { endpoint } from '../endpoint.ts'

const path = '/_synapse/admin/v1/register'

export const sharedSecretNonce = endpoint({
  method: 'GET',
  path,
  auth: 'none',
  limit: 'register',
  async handle({ deps }) {
    return { nonce: await makeRegistrationNonce(deps) }
  },
})

export const sharedSecretRegister = endpoint({
  method: 'POST',
  path,
  auth: 'none',
  limit: 'register',
  body: v.object({
    nonce: v.string(),
    username: v.string(),
    password: v.string(),
    admin: v.optional(v.boolean(), false),
    mac: v.pipe(v.string(), v.regex(/^[0-9a-fA-F]{40}$/, 'not an HMAC-SHA-1')),
  }),
  async handle({ deps, body }) {
    const { nonce, username: name, password, admin, mac } = body
    return sessionAnswer(deps, await registerBySharedSecret(deps, { nonce, name, password, admin, mac }))
  },
})

export const endpoints = [sharedSecretNonce, sharedSecretRegister]
