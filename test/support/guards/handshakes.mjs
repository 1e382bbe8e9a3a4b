import { alone, answers, atHandshakes, atInvites, door, edit, guardsIn as of, handshakes } from './entry.mjs'

const handed = of('src/rooms/handshake.ts')
const template = of('src/rooms/template.ts')
const adopt = of('src/rooms/adopt-signatures.ts')
const invite = of('src/rooms/accept-invite.ts')
const join = of('src/rooms/accept-join.ts')
const authoriser = of('src/rooms/authoriser.ts')
const restricted = handshakes('our signature goes onto a restricted')
const adopted = answers('in a restricted room has our own join')
const noInvite = handshakes('what is no invite')
const refused = (what) => handshakes(`send_join and send_leave refuse.*${what}`)
const bad = (what) => answers(`a template for a leave.*${what}`)
const badJoin = (what) => handshakes(`templates of a hostile server.*${what}`)
const off = (name, text, ...red) => template(name, `if (${text})`, `if (asked === null && (${text}))`, ...red)

/** Handshakes: what others hand us, what they answer, and what gets our signature. */
export const handshakeGuards = [
  handed(
    'handed: for this room',
    'if (event.roomId !== roomId)',
    'if (event.roomId === null)',
    refused('another room'),
  ),
  handed(
    'handed: under this id',
    'if (event.eventId !== eventId)',
    'if (event.eventId === null)',
    handshakes('an event that is unsigned'),
  ),
  handed(
    'handed: a membership',
    "if (event.type !== 'm.room.member')",
    'if (event.type === null)',
    refused('another type'),
  ),
  handed(
    'handed: of this kind',
    'if (event.content.membership !== membership)',
    'if (event.content === null)',
    refused('another membership'),
  ),
  handed(
    'handed: a sender of the origin',
    'if (serverNameOf(event.sender) !== origin)',
    'if (event.sender === null)',
    refused('a sender of ours'),
  ),
  {
    ...handed(
      'handed: about somebody',
      'if (event.stateKey === undefined)',
      'if (event.stateKey === null)',
      refused('no state key'),
    ),
    behind: {
      name: 'handed: about its sender',
      edits: [
        edit(
          'src/rooms/handshake.ts',
          "if (membership !== 'invite' && event.stateKey !== event.sender)",
          'if (membership === null)',
        ),
      ],
    },
  },
  handed(
    'handed: about its sender',
    "if (membership !== 'invite' && event.stateKey !== event.sender)",
    'if (event.stateKey === null)',
    refused('another state key'),
  ),
  {
    ...handed(
      'handed: unchanged',
      'if (hashRefusal !== undefined)',
      'if (hashRefusal === null)',
      door('with a wrong content'),
    ),
    at: `${atHandshakes}|${atInvites}`,
  },
  handed(
    'handed: signed by the origin',
    'if (signatureRefusal !== undefined)',
    'if (signatureRefusal === null)',
    handshakes('an event that is unsigned'),
  ),
  {
    ...invite(
      'invite: signed by all who must',
      'if (refusal !== undefined)',
      'if (refusal === null)',
      door('later than its key'),
      door('with an id that another'),
    ),
    at: atInvites,
  },
  invite('invite: a room version we know', 'if (version === undefined)', 'if (version === null)', noInvite),
  invite(
    'invite: of a user of ours',
    'if (userId === undefined || serverNameOf(userId) !== deps.serverName)',
    'if (userId === undefined)',
    noInvite,
  ),
  invite(
    'invite: not of a member',
    "if (membership === 'join' || membership === 'ban')",
    'if (membership === null)',
    alone('an invite of somebody who is in the room'),
  ),
  invite(
    'invite: the create event of version 12',
    'if (version.roomIdIsCreateHash) assertHasCreateEvent(version, roomId, state)',
    '',
    alone('an invite of version 12'),
  ),
  join(
    'restricted join: a condition is met',
    'await assertMeetsCondition(conn, deps, current, event.sender)',
    'void assertMeetsCondition',
    restricted,
  ),
  join(
    'restricted join: by one who may authorise',
    'if (!(await mayAuthorise(conn, deps, current, authoriser)))',
    'if (!(await mayAuthorise(conn, deps, current, authoriser)) && false)',
    restricted,
  ),
  authoriser(
    'authoriser: in the room',
    "if (create === undefined || member?.content.membership !== 'join') return false",
    'if (create === undefined) return false',
    restricted,
  ),
  authoriser(
    'authoriser: with the power to invite',
    'if (levels.levelOf(userId) < levels.invite) return false',
    'void levels',
    restricted,
  ),
  authoriser('authoriser: of an account that may act', ' && !account.locked', '', restricted),
  of('src/rooms/make-template.ts')(
    'template for users of the origin',
    'if (serverNameOf(userId) !== origin)',
    'if (userId === null)',
    alone('no template is made'),
  ),
  off('template: a membership', "memberOf(event, 'type') !== 'm.room.member'", bad('another type')),
  off('template: of the room', "memberOf(event, 'room_id') !== asked.roomId", bad('another room')),
  off('template: of the sender', "memberOf(event, 'sender') !== asked.userId", bad('another sender')),
  off('template: about the user', "memberOf(event, 'state_key') !== asked.userId", bad('another user')),
  off('template: of the membership', "memberOf(content, 'membership') !== asked.membership", bad('another membership')),
  template(
    'template: no strange members',
    '!hasOnly(event, fields) || !hasOnly(content, contentFields)',
    'event === null',
    bad('with extra keys'),
  ),
  template(
    'template: a known version',
    'if (version === undefined)',
    'if (version === null)',
    badJoin('an unknown version'),
  ),
  {
    ...template(
      'template: a depth',
      ' || depth < 1) throw',
      ' || Number.isNaN(depth)) throw',
      bad('with a depth that'),
    ),
    behind: { name: 'depth from 0', edits: [edit('src/protocol/event-format.ts', '(depth as number) >= 0 && ')] },
  },
  off('template: previous events', '!Array.isArray(prevEvents) || prevEvents.length === 0', bad('without previous')),
  off('template: auth events', '!Array.isArray(authEvents) || authEvents.length === 0', bad('without auth')),
  off(
    'template: an authoriser that can be',
    "asked.membership !== 'join' || authoriser === undefined || serverNameOf(authoriser) !== from",
    badJoin('an authoriser'),
  ),
  adopt(
    'answer: our own event',
    'if (theirs.eventId !== ours.eventId || unsigned(theirs) !== unsigned(ours))',
    'if (theirs === null)',
    adopted,
  ),
  {
    ...adopt('answer: their signature', 'if (keyIds.length === 0) throw', 'if (keyIds === null) throw', adopted),
    behind: {
      name: 'answer: the signature is right',
      edits: [edit('src/rooms/adopt-signatures.ts', 'if (refusal !== undefined) throw', 'if (refusal === null) throw')],
    },
  },
  adopt('answer: the signature is right', 'if (refusal !== undefined) throw', 'if (refusal === null) throw', adopted),
  of('src/rooms/join-remote.ts')(
    'answer: the join that had to be signed',
    'if (returned === undefined) throw',
    'if (returned === null) throw',
    adopted,
  ),
]
