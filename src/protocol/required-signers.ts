import type { RoomEvent } from './event.ts'
import { parseUserId, serverNameOf, type ServerName } from './ids.ts'

/**
 * The servers whose signatures an event must bear, each once (server-server API, "Validating hashes and signatures on
 * received events"; the room versions' "Authorisation rules"). Asked of the event as it was received, not of its
 * redacted copy. Empty for an invite by third-party identifier from room version 3: its proof is inside.
 */
export function requiredSigners(event: RoomEvent): ServerName[] {
  const signers = new Set<ServerName>()
  if (!isThirdPartyInvite(event)) signers.add(serverNameOf(event.sender))
  if (event.version.eventIdFormat === 'origin') {
    const namer = serverNameOf(event.eventId)
    if (namer !== undefined) signers.add(namer)
  }
  const authoriser = joinAuthoriserOf(event)
  if (authoriser !== undefined) signers.add(authoriser)
  return [...signers]
}

/** Whether this is an invite that was made from an `m.room.third_party_invite`. */
export function isThirdPartyInvite(event: RoomEvent): boolean {
  const { type, content } = event
  return type === 'm.room.member' && content.membership === 'invite' && content.third_party_invite !== undefined
}

/** The server of the user who let somebody into a restricted room (from room version 8, rule 4.2). */
function joinAuthoriserOf(event: RoomEvent): ServerName | undefined {
  if (!event.version.restrictedJoins || event.type !== 'm.room.member') return undefined
  const authoriser = parseUserId(event.content.join_authorised_via_users_server)
  return authoriser === undefined ? undefined : serverNameOf(authoriser)
}
