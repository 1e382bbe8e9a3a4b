import { canonicalJson } from '../protocol/canonical-json.ts'
import { isRefusal } from '../protocol/event-refusal.ts'
import type { RoomEvent } from '../protocol/event.ts'
import type { ServerName } from '../protocol/ids.ts'
import type { JsonObject } from '../protocol/json-types.ts'
import { parseEvent } from '../protocol/parse-event.ts'
import { redactPdu } from '../protocol/redact.ts'
import { addSignature, signatureOf, signingKeyIds } from '../protocol/sign.ts'
import { badAnswer } from '../federation/errors.ts'
import type { RoomsDeps } from './deps.ts'

const maxSignatures = 8

/**
 * Our event with the signatures that another server added to it, once it has been seen that the server changed nothing
 * else and that the signatures are right. Throws a FederationError.
 */
export async function adoptSignatures(
  deps: Pick<RoomsDeps, 'keyRing'>,
  ours: RoomEvent,
  returned: JsonObject,
  from: ServerName,
): Promise<RoomEvent> {
  const theirs = parseEvent(ours.version, returned)
  if (isRefusal(theirs)) throw badAnswer(from, `returned an event that is none: ${theirs.reason}`)
  if (theirs.eventId !== ours.eventId || unsigned(theirs) !== unsigned(ours))
    throw badAnswer(from, 'returned another event')
  const keyIds = signingKeyIds(theirs.pdu, from).slice(0, maxSignatures)
  if (keyIds.length === 0) throw badAnswer(from, 'returned the event without its signature')
  let pdu = ours.pdu
  for (const keyId of keyIds) pdu = addSignature(pdu, from, keyId, signatureOf(theirs.pdu, from, keyId) ?? '')
  const signed = parseEvent(ours.version, pdu)
  if (isRefusal(signed)) throw badAnswer(from, `returned signatures that are too large: ${signed.reason}`)
  // an invite needs no signature of the invited user's server: that one is looked at by itself
  const refusal = (await checkSignatureOf(deps, signed, from)) ?? (await deps.keyRing.verifyEvent(signed))
  if (refusal !== undefined) throw badAnswer(from, `returned an event of which ${refusal}`)
  return signed
}

/** Why an event does not bear a right signature of this server, by a key that it uses now; undefined where it does. */
export function checkSignatureOf(
  deps: Pick<RoomsDeps, 'keyRing'>,
  { version, pdu }: RoomEvent,
  server: ServerName,
): Promise<string | undefined> {
  return deps.keyRing.verifyObject(redactPdu(version, pdu), server)
}

function unsigned({ pdu }: RoomEvent): string {
  const { signatures: _signatures, ...rest } = pdu
  return canonicalJson(rest)
}
