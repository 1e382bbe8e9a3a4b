import { MatrixError } from '../../protocol/errors.ts'
import type { Config } from '../../util/config.ts'
import { endpoint } from '../endpoint.ts'
import { jsonReply } from '../reply.ts'

/** Whom to ask for help (client-server API, "Getting homeserver contacts and support details"). 404 where nobody is named. */
export const wellKnownSupport = endpoint({
  method: 'GET',
  path: '/.well-known/matrix/support',
  auth: 'none',
  limit: 'none',
  handle({ deps: { config } }) {
    const { supportPage } = config.wellKnown
    const contacts = listContacts(config)
    if (supportPage === null && contacts.length === 0) throw new MatrixError('M_NOT_FOUND', 'no contact is configured')
    const body = {
      ...(contacts.length > 0 ? { contacts } : {}),
      ...(supportPage === null ? {} : { support_page: supportPage }),
    }
    return jsonReply(body, { headers: { 'cache-control': 'public, max-age=3600' } })
  },
})

export const endpoints = [wellKnownSupport]

function listContacts({ wellKnown }: Config): Record<string, string>[] {
  return wellKnown.contacts
    .filter(({ matrixId, emailAddress }) => matrixId !== null || emailAddress !== null)
    .map(({ role, matrixId, emailAddress }) => ({
      role,
      ...(matrixId === null ? {} : { matrix_id: matrixId }),
      ...(emailAddress === null ? {} : { email_address: emailAddress }),
    }))
}
