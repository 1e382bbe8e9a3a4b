import { logOut, logOutEverywhere } from '../../accounts/logout.ts'
import { endpoint } from '../endpoint.ts'

export const logout = endpoint({
  method: 'POST',
  path: '/_matrix/client/v3/logout',
  auth: 'user',
  limit: 'write',
  guests: true,
  locked: true,
  async handle({ deps, requester }) {
    await logOut(deps, requester)
    return {}
  },
})

export const logoutAll = endpoint({
  method: 'POST',
  path: '/_matrix/client/v3/logout/all',
  auth: 'user',
  limit: 'write',
  guests: true,
  locked: true,
  async handle({ deps, requester }) {
    await logOutEverywhere(deps, requester)
    return {}
  },
})

export const endpoints = [logout, logoutAll]
