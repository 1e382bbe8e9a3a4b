import * as v from 'valibot'
import { searchPerson } from '../../privacy/verify/search-tables.ts'
import { meantUser } from '../../admin/users.ts'
import { endpoint } from '../endpoint.ts'

/** What the tables hold of a person, and whether it may be there. The files are searched by the command itself. */
export const verifyPerson = endpoint({
  method: 'POST',
  path: '/_lethe/admin/v1/privacy/verify',
  auth: 'admin',
  limit: 'admin',
  body: v.object({ user: v.string(), also: v.optional(v.array(v.string()), []) }),
  async handle({ deps, body }) {
    const userId = meantUser(deps, body.user)
    return { user_id: userId, ...(await searchPerson(deps, userId, body.also)) }
  },
})

export const endpoints = [verifyPerson]
