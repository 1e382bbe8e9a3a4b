import * as v from 'valibot'
import {
  assertNameAvailable,
  assertRegistrationOpen,
  register as registerAccount,
  registerGuest,
} from '../../accounts/register.ts'
import { isRegistrationTokenValid } from '../../accounts/registration-tokens.ts'
import { endpoint } from '../endpoint.ts'
import { firstOf, jsonValue } from '../schemas.ts'
import { attemptsBy } from './attempts.ts'
import { sessionAnswer } from './session-answer.ts'

const optionalText = v.nullish(v.string())

export const register = endpoint({
  method: 'POST',
  path: '/_matrix/client/v3/register',
  auth: 'none',
  limit: 'register',
  query: v.object({ kind: v.optional(v.picklist(['user', 'guest'])) }),
  body: v.object({
    auth: v.optional(jsonValue),
    username: optionalText,
    password: optionalText,
    device_id: optionalText,
    initial_device_display_name: optionalText,
    inhibit_login: v.nullish(v.boolean()),
    refresh_token: v.nullish(v.boolean()),
  }),
  async handle({ deps, query, body, request }) {
    const displayName = body.initial_device_display_name ?? undefined
    if (query.kind === 'guest') return sessionAnswer(deps, await registerGuest(deps, displayName))
    const wish = {
      name: body.username ?? undefined,
      password: body.password ?? undefined,
      deviceId: body.device_id ?? undefined,
      displayName,
      canRefresh: body.refresh_token ?? false,
      inhibitLogin: body.inhibit_login ?? false,
      auth: body.auth,
    }
    const { userId, session } = await registerAccount(deps, wish, attemptsBy(deps, request))
    if (session === undefined) return { user_id: userId, home_server: deps.serverName }
    return sessionAnswer(deps, { userId, session })
  },
})

export const registerAvailable = endpoint({
  method: 'GET',
  path: '/_matrix/client/v3/register/available',
  auth: 'none',
  limit: 'register',
  query: v.object({ username: firstOf }),
  async handle({ deps, query }) {
    assertRegistrationOpen(deps)
    await assertNameAvailable(deps, query.username)
    return { available: true }
  },
})

export const registrationTokenValidity = endpoint({
  method: 'GET',
  path: '/_matrix/client/v1/register/m.login.registration_token/validity',
  auth: 'none',
  limit: 'register',
  query: v.object({ token: firstOf }),
  async handle({ deps, query }) {
    return { valid: await isRegistrationTokenValid(deps, query.token) }
  },
})

export const endpoints = [register, registerAvailable, registrationTokenValidity]
