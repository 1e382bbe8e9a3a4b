import * as v from 'valibot'
import { MatrixError } from '../../protocol/errors.ts'
import type { ServerName } from '../../protocol/ids.ts'
import type { Json, JsonObject } from '../../protocol/json-types.ts'
import { claimedEventId } from '../../rooms/claimed-event-id.ts'
import { receive, type ReceivedVerdict } from '../../rooms/receive.ts'
import type { Deps } from '../deps.ts'
import { endpoint } from '../endpoint.ts'
import { jsonValue } from '../schemas.ts'
import { applyEdus } from './edus.ts'

const maxPdus = 50
const maxEdus = 100

/** Live events and EDUs of another server (server-server API, "Transactions"). */
export const send = endpoint({
  method: 'PUT',
  path: '/_matrix/federation/v1/send/:txnId',
  auth: 'server',
  limit: 'federation',
  bodyKind: 'transaction',
  body: v.object({ pdus: v.array(jsonValue), edus: v.optional(v.array(jsonValue)) }),
  async handle({ deps, requester: { origin }, params: { txnId }, body: { pdus, edus = [] } }) {
    if (pdus.length > maxPdus) throw new MatrixError('M_BAD_JSON', `more than ${maxPdus} PDUs`)
    if (edus.length > maxEdus) throw new MatrixError('M_BAD_JSON', `more than ${maxEdus} EDUs`)
    if (txnId === '' || txnId.length > 255) throw new MatrixError('M_INVALID_PARAM', 'not a transaction id')
    return deps.inbound.receive(origin, txnId, () => apply(deps, origin, pdus, edus))
  },
})

async function apply(
  deps: Deps,
  origin: ServerName,
  pdus: readonly Json[],
  edus: readonly Json[],
): Promise<JsonObject> {
  const verdicts = pdus.length === 0 ? [] : await receive(deps, { door: 'send', origin, pdus })
  await applyEdus(deps, origin, edus)
  const answers: Record<string, JsonObject> = {}
  for (const [index, verdict] of verdicts.entries()) {
    const eventId = verdict.eventId ?? (await claimedEventId(deps, pdus[index] as Json))
    if (eventId !== undefined) answers[eventId] = answerOf(verdict)
  }
  return { pdus: answers }
}

function answerOf({ verdict, error }: ReceivedVerdict): JsonObject {
  return verdict === 'refused' || verdict === 'rejected' ? { error: error ?? verdict } : {}
}

export const endpoints = [send]
