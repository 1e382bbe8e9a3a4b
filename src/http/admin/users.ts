import * as v from 'valibot'
import { changePassword } from '../../accounts/change-password.ts'
import { createAccount } from '../../accounts/create-account.ts'
import { deactivateAccount } from '../../accounts/deactivate.ts'
import { getAccount, setFlag } from '../../accounts/moderation.ts'
import { listUsers, meantUser, viewOf } from '../../admin/users.ts'
import { endpoint } from '../endpoint.ts'
import { integerParam } from '../schemas.ts'

/** Every account, a page at a time. */
export const listAllUsers = endpoint({
  method: 'GET',
  path: '/_lethe/admin/v1/users',
  auth: 'admin',
  limit: 'admin',
  query: v.object({
    after: v.optional(integerParam(), '0'),
    limit: v.optional(integerParam({ least: 1, most: 1000 }), '100'),
  }),
  handle: ({ deps, query }) => listUsers(deps, query.after, query.limit),
})

/** Makes an account, also while registration is closed; without a password it cannot log in by one. */
export const createUser = endpoint({
  method: 'POST',
  path: '/_lethe/admin/v1/users',
  auth: 'admin',
  limit: 'admin',
  body: v.object({ name: v.string(), password: v.optional(v.string()), admin: v.optional(v.boolean(), false) }),
  async handle({ deps, body: { name, password, admin } }) {
    const { userId } = await createAccount(deps, { name, password, admin })
    return { user_id: userId }
  },
})

/** One account, by user id or name. */
export const showUser = endpoint({
  method: 'GET',
  path: '/_lethe/admin/v1/users/:user',
  auth: 'admin',
  limit: 'admin',
  handle: async ({ deps, params }) => viewOf(await getAccount(deps, meantUser(deps, params.user))),
})

/** Gives an account a new password and ends its sessions. */
export const setPassword = endpoint({
  method: 'PUT',
  path: '/_lethe/admin/v1/users/:user/password',
  auth: 'admin',
  limit: 'admin',
  body: v.object({ password: v.string(), logout_devices: v.optional(v.boolean(), true) }),
  async handle({ deps, params, body }) {
    const { user_nid: userNid, user_id: userId } = await getAccount(deps, meantUser(deps, params.user))
    await changePassword(deps, { userNid, userId }, body.password, { endOthers: body.logout_devices })
    return {}
  },
})

/** Locks, suspends, or makes an administrator; or takes that back. */
export const putFlag = endpoint({
  method: 'PUT',
  path: '/_lethe/admin/v1/users/:user/:flag',
  auth: 'admin',
  limit: 'admin',
  params: v.object({ user: v.string(), flag: v.picklist(['locked', 'suspended', 'admin']) }),
  body: v.object({ value: v.boolean(), reason: v.optional(v.string()) }),
  async handle({ deps, requester, params, body }) {
    const decision = { actor: requester.actor, reason: body.reason }
    await setFlag(deps, decision, meantUser(deps, params.user), params.flag, body.value)
    return {}
  },
})

/** Ends an account for ever, without erasing what it wrote. */
export const deactivateUser = endpoint({
  method: 'POST',
  path: '/_lethe/admin/v1/users/:user/deactivate',
  auth: 'admin',
  limit: 'admin',
  body: v.object({ reason: v.optional(v.string()) }),
  async handle({ deps, requester, params, body: { reason } }) {
    const { user_nid: userNid, user_id: userId } = await getAccount(deps, meantUser(deps, params.user))
    await deactivateAccount(deps, deps.departure, { userNid, userId }, { actor: requester.actor, reason })
    return {}
  },
})

export const endpoints = [listAllUsers, createUser, showUser, setPassword, putFlag, deactivateUser]
