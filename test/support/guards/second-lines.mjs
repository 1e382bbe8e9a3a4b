import { atHandshakes, atInvites, atTimeline, edit } from './entry.mjs'

const handshake = 'src/rooms/handshake.ts'
const live = 'src/rooms/live.ts'
const handed = edit(handshake, 'if (signatureRefusal !== undefined)', 'if (signatureRefusal === null)')
const unchanged = edit(handshake, 'if (hashRefusal !== undefined)', 'if (hashRefusal === null)')
const aboutSender = edit(
  handshake,
  "if (membership !== 'invite' && event.stateKey !== event.sender)",
  'if (membership === null)',
)
const ofKind = edit(handshake, 'if (event.content.membership !== membership)', 'if (event.content === null)')
const ofRoom = edit(handshake, 'if (event.roomId !== roomId)', 'if (event.roomId === null)')
const ofOurUser = edit(
  'src/rooms/accept-invite.ts',
  'if (userId === undefined || serverNameOf(userId) !== deps.serverName)',
  'if (userId === null)',
)
const missing = edit(live, 'if (missing.length > 0 && given === undefined)', 'if (missing.length > 100)')
const namesNone = edit(live, "if (prevEventIds.length === 0) return refuse('it names no previous events')")
const spelled = edit('src/protocol/canonical-json.ts', "demand === 'strict-event' && ", 'demand !== demand && ')

/** What refuses at some doors where the guard is gone that stands at all of them. */
export const signedByOrigin = {
  name: 'handed: signed by the origin',
  doors: `${atHandshakes}|${atInvites}`,
  edits: [handed],
}
export const unchangedInHandshakes = {
  name: 'handed: unchanged',
  doors: `${atHandshakes}|${atInvites}`,
  edits: [unchanged],
}
export const aboutItsSender = { name: 'handed: about its sender', doors: atHandshakes, edits: [aboutSender] }
export const ofTheKind = { name: 'handed: of this kind', doors: `${atHandshakes}|${atInvites}`, edits: [ofKind] }
export const ofTheRoom = { name: 'handed: for this room', doors: atInvites, edits: [ofRoom] }
export const graphOfTheRoom = {
  name: 'handed: for this room, and behind it live: previous events and auth events of this room',
  doors: atHandshakes,
  edits: [
    ofRoom,
    edit(live, 'row.outlier || row.roomNid !== room.nid) missing', 'row.outlier) missing'),
    edit(
      live,
      'row === undefined || row.roomNid !== room.nid) return undefined',
      'row === undefined) return undefined',
    ),
  ],
}
export const signedByNamer = {
  name: 'handed: signed by the origin, and behind it signed by the server of the event id',
  doors: atInvites,
  edits: [
    handed,
    edit('src/protocol/required-signers.ts', 'if (namer !== undefined) signers.add(namer)', 'void namer'),
  ],
}
export const invitesOurUser = { name: 'invite: of a user of ours', doors: atInvites, edits: [ofOurUser] }
export const previousMissing = {
  name: 'live: missing previous events',
  doors: `${atTimeline}|${atHandshakes}`,
  edits: [missing],
}
export const previousNamed = {
  name: 'live: previous events are named',
  doors: `${atTimeline}|${atHandshakes}`,
  edits: [namesNone],
}
export const integersOnly = {
  name: 'integers only, and spelled so (room versions from 6)',
  doors: '',
  edits: [spelled],
}
/** Nothing stands there but that no row takes such a value, and that the fault of one event is not that of the others. */
export const noRowTakesIt = { name: 'no row takes it, and only this event fails', doors: atTimeline }
