import * as v from 'valibot'
import { identifiedUser } from '../../accounts/identify.ts'
import { logInByPassword, logInByToken } from '../../accounts/login.ts'
import type { LoggedIn } from '../../accounts/login.ts'
import { refreshSession } from '../../accounts/refresh.ts'
import { loginTokenLifetimeMs, makeLoginToken } from '../../accounts/short-tokens.ts'
import { MatrixError } from '../../protocol/errors.ts'
import { memberOf } from '../../protocol/json.ts'
import type { JsonObject } from '../../protocol/json-types.ts'
import { endpoint } from '../endpoint.ts'
import { jsonObject } from '../schemas.ts'
import { attemptsBy } from './attempts.ts'
import { proveIdentity } from './interactive.ts'
import { sessionAnswer } from './session-answer.ts'

export const loginFlows = endpoint({
  method: 'GET',
  path: '/_matrix/client/v3/login',
  auth: 'none',
  limit: 'read',
  handle({ deps }) {
    const password = deps.config.passwords.login ? [{ type: 'm.login.password' }] : []
    return { flows: [...password, { type: 'm.login.token', get_login_token: true }] }
  },
})

export const login = endpoint({
  method: 'POST',
  path: '/_matrix/client/v3/login',
  auth: 'none',
  limit: 'login',
  body: jsonObject,
  async handle({ deps, body, request }) {
    const wish = {
      deviceId: textOf(body, 'device_id'),
      displayName: textOf(body, 'initial_device_display_name'),
      canRefresh: memberOf(body, 'refresh_token') === true,
    }
    let loggedIn: LoggedIn
    switch (memberOf(body, 'type')) {
      case 'm.login.password': {
        const userId = identifiedUser(body, deps.serverName)
        const password = textOf(body, 'password')
        if (userId === undefined || password === undefined)
          throw new MatrixError('M_MISSING_PARAM', 'identifier and password are needed')
        loggedIn = await logInByPassword(deps, { userId, password }, wish, attemptsBy(deps, request))
        break
      }
      case 'm.login.token': {
        const token = textOf(body, 'token')
        if (token === undefined) throw new MatrixError('M_MISSING_PARAM', 'token is needed')
        loggedIn = await logInByToken(deps, token, wish)
        break
      }
      case undefined:
        throw new MatrixError('M_MISSING_PARAM', 'type is needed')
      default:
        throw new MatrixError('M_UNKNOWN', 'Bad login type', {}, 400)
    }
    return sessionAnswer(deps, loggedIn)
  },
})

export const refresh = endpoint({
  method: 'POST',
  path: '/_matrix/client/v3/refresh',
  // where it was before it was specified
  aliases: ['/_matrix/client/v1/refresh'],
  auth: 'none',
  limit: 'login',
  body: v.object({ refresh_token: v.string() }),
  async handle({ deps, body }) {
    const { accessToken, refreshToken, expiresInMs } = await refreshSession(deps, body.refresh_token)
    return { access_token: accessToken, refresh_token: refreshToken, expires_in_ms: expiresInMs }
  },
})

export const getLoginToken = endpoint({
  method: 'POST',
  path: '/_matrix/client/v1/login/get_token',
  auth: 'user',
  limit: 'login',
  body: jsonObject,
  async handle({ deps, requester, body, request }) {
    await proveIdentity(deps, requester, request, 'POST /login/get_token', body)
    return { login_token: await makeLoginToken(deps, requester), expires_in_ms: loginTokenLifetimeMs }
  },
})

/** A member that is a string; null counts as absent. Throws `M_BAD_JSON`. */
function textOf(body: JsonObject, name: string): string | undefined {
  const value = memberOf(body, name) ?? undefined
  if (value !== undefined && typeof value !== 'string') throw new MatrixError('M_BAD_JSON', `${name} must be a string`)
  return value
}

export const endpoints = [loginFlows, login, refresh, getLoginToken]
