import {
  alone,
  atHandshakes,
  atOutliers,
  atTimeline,
  door,
  edit,
  gate,
  graph,
  guardsIn as of,
  requests,
} from './entry.mjs'
import { previousNamed } from './second-lines.mjs'

const live = 'src/rooms/live.ts'
const outliers = 'src/rooms/outliers.ts'
const fetch = 'src/rooms/fetch.ts'
const selection = 'src/protocol/auth/selection.ts'
const install = 'src/rooms/install-remote-room.ts'
const request = 'src/federation/verify-request.ts'
const xMatrix = 'src/protocol/x-matrix.ts'
const liveGuard = of(live)
const outlierGuard = of(outliers)
const fetchGuard = of(fetch)
const selectionGuard = of(selection)
const requestGuard = of(request)

const rejectedAuth = edit(
  selection,
  'if (rejected) return `auth event ${authEvent.eventId} was rejected`',
  'void rejected',
)
const otherRoom = edit(selection, 'if (authEvent.roomId !== event.roomId) return', 'if (false) return')

/** Checks 4 to 7 on receipt of a PDU: the graph, authorization, rooms kept apart; and who asks. */
export const roomGuards = [
  {
    ...liveGuard(
      'live: no other create event',
      "if (event.type === 'm.room.create' && prevEventIds.length === 0) {",
      'if (prevEventIds === undefined) {',
      door('a second create'),
    ),
    at: atTimeline,
    lines: [previousNamed],
  },
  {
    ...outlierGuard(
      'outliers: no other create event',
      "if (event.type === 'm.room.create' && hasCreate) {",
      'if (hasCreate === undefined) {',
      door('a second create'),
    ),
    at: atOutliers,
  },
  liveGuard(
    'live: previous events are named',
    "if (prevEventIds.length === 0) return refuse('it names no previous events')",
    '',
    door('without previous'),
  ),
  liveGuard(
    'live: missing previous events',
    'if (missing.length > 0 && given === undefined)',
    'if (missing.length > 100)',
    gate('an event whose previous events cannot'),
  ),
  liveGuard(
    'live: previous events of this room',
    'row.outlier || row.roomNid !== room.nid) missing',
    'row.outlier) missing',
    door('with previous events of'),
  ),
  liveGuard(
    'live: no outlier as a previous event',
    'row === undefined || row.outlier || ',
    'row === undefined || ',
    graph('an outlier is no previous'),
  ),
  {
    name: 'live: auth events of this room',
    at: `${atTimeline}|${atHandshakes}`,
    edits: [
      edit(
        live,
        'row === undefined || row.roomNid !== room.nid) return undefined',
        'row === undefined) return undefined',
      ),
    ],
    red: [door('with auth events of')],
  },
  liveGuard(
    'live: another event under the id of an outlier',
    'if (!isSameEvent(stored, event)) return refuse(anotherEvent)',
    'void isSameEvent(stored, event)',
    graph('another event under the id of an outlier'),
  ),
  {
    name: 'live: another event under the id of a stored one',
    edits: [
      edit(
        'src/rooms/receive-live.ts',
        'const isAnother = stored !== undefined && !isSameEvent',
        'const isAnother = stored === null && !isSameEvent',
      ),
    ],
    red: [graph('another event under the id of a stored')],
  },
  {
    ...liveGuard(
      'live: rejected once, rejected ever',
      '    self?.rejected ??\n',
      '',
      gate('state events come as outliers'),
    ),
    behind: {
      name: 'live: allowed by its auth events',
      edits: [
        edit(live, 'checkAuthEvents(event, auth.events, auth.create) ??', 'undefined ??'),
        edit(live, 'checkStateBefore(event, await authStateAt(deps, tx, room, before, event))', 'undefined'),
      ],
    },
  },
  liveGuard(
    'live: allowed by its auth events',
    'checkAuthEvents(event, auth.events, auth.create) ??',
    '(checkAuthEvents(event, auth.events, auth.create), undefined) ??',
    alone('with two auth events'),
  ),
  liveGuard(
    'live: allowed by the state before',
    'checkStateBefore(event, await authStateAt(deps, tx, room, before, event))',
    '(checkStateBefore(event, await authStateAt(deps, tx, room, before, event)), undefined)',
    alone('allowed by its auth events, but not'),
  ),
  liveGuard(
    'live: allowed by the current state',
    '(await checkCurrentState(deps, tx, room, event)) ??',
    '(await checkCurrentState(deps, tx, room, event), undefined) ??',
    graph('what is soft-failed'),
    gate('what a banned user'),
  ),
  {
    ...outlierGuard(
      'outliers: of no other room',
      'row !== undefined && row.roomNid === room.nid) wanted',
      'row !== undefined) wanted',
      door('with auth events of'),
    ),
    at: atOutliers,
  },
  {
    ...outlierGuard(
      'outliers: the auth chain is complete',
      'if (authEvents.includes(undefined) || ',
      'if (authEvents.length > 99 || ',
      door('with auth events of'),
    ),
    at: atOutliers,
  },
  outlierGuard(
    'outliers: allowed by their auth events',
    'const rejected = checkAuthEvents(event, authEvents as CheckedEvent[], create)',
    'const rejected = checkAuthEvents(event, authEvents as CheckedEvent[], create) && undefined',
    gate('state events come as outliers'),
  ),
  selectionGuard(
    'selection 2.1: no place twice',
    'if (seen.has(key)) return',
    'if (false) return',
    alone('two auth events for one place'),
  ),
  selectionGuard(
    'selection 2.2: only what is to be selected',
    'if (!allowed.has(key)) return',
    'if (false) return',
    alone('an auth event that is not to be selected'),
  ),
  { name: 'selection 2.3: no rejected auth event', edits: [rejectedAuth], red: [alone('with a rejected auth event')] },
  {
    name: 'selection 2.5: of this room',
    edits: [otherRoom],
    red: [{ file: 'test/unit/protocol/auth/selection.test.ts', name: 'of another room' }],
  },
  {
    ...selectionGuard(
      'selection 2.4: a create event',
      'if (!hasCreate && !roomIdIsCreateHash) return',
      'if (false) return',
      alone('without a create event among'),
    ),
    behind: {
      name: 'no authorization without a create event',
      edits: [
        edit(
          'src/protocol/auth/check.ts',
          "if (state === undefined) return 'the room has no create event'",
          'if (state === undefined) return undefined',
        ),
      ],
    },
  },
  fetchGuard(
    'fetch: no rejected event in a state',
    ' && row.rejected === null && row.roomNid',
    ' && row.roomNid',
    alone('a rejected event in it'),
  ),
  fetchGuard(
    'fetch: no event of another room in a state',
    ' && row.roomNid === room.nid)\n        state',
    ')\n        state',
    alone('a state without the event of another room'),
  ),
  fetchGuard(
    'fetch: a state has its create event',
    'if (createKey === undefined || !state.has(createKey)) throw',
    'if (createKey === undefined) throw',
    alone('behind a gap whose state'),
  ),
  fetchGuard(
    'fetch: only what leads to the event',
    'return leadingTo(events, fresh)',
    'return leadingTo(events, fresh) && fresh',
    gate('missing events are fetched'),
  ),
  of('src/rooms/receive-history.ts')(
    'history: only what stored events lead to',
    'wanted.has(eventId) && !isStored(eventId)',
    '!isStored(eventId)',
    alone('history that nothing'),
  ),
  of(install)(
    'join: the auth chain is whole',
    'row === undefined || row.rejected !== null || row.roomNid !== room.nid)',
    'row === null)',
    graph('a template with auth_events'),
  ),
  of(install)(
    'join: allowed by the state answered',
    'if (refusal !== undefined)\n          throw bad(`The state',
    'if (refusal === null)\n          throw bad(`The state',
    { file: 'test/scenario/rooms/remote-room.test.ts', name: 'does not allow the join' },
  ),
  of('src/rooms/receive.ts')(
    'ACL at the gate',
    '(await isAllowedByAcl(deps, conn, room, origin)) ? room',
    '(await isAllowedByAcl(deps, conn, room, origin)) || room ? room',
    requests('and neither its events'),
    gate('the ACL of the room'),
  ),
  of('src/rooms/make-template.ts')(
    'ACL at handshakes',
    'if (!(await isAllowedByAcl(deps, conn, room, origin)))',
    'if (!(await isAllowedByAcl(deps, conn, room, origin)) && false)',
    requests('is let in by none'),
  ),
  of('src/rooms/accept-invite.ts')(
    'ACL at invites',
    'if (!(await isAllowedByAcl(deps, conn, room, handed.origin)))',
    'if (!(await isAllowedByAcl(deps, conn, room, handed.origin)) && false)',
    requests('is let in by none'),
  ),
  of('src/protocol/server-acl.ts')('ACL: denied names', '!acl.isDenied(host) && ', '', requests('is let in by none')),
  of('src/protocol/server-acl.ts')(
    'ACL: any case',
    "(isBareIpv6 ? serverName : serverName.replace(portSuffix, '')).toLowerCase()",
    "(isBareIpv6 ? serverName : serverName.replace(portSuffix, ''))",
    { file: 'test/unit/protocol/server-acl.test.ts', name: '.' },
  ),
  of('src/protocol/server-acl.ts')(
    'ACL: denied in any case',
    'withoutFinalDot(entry.toLowerCase())',
    'withoutFinalDot(entry)',
    requests('is let in by none'),
  ),
  requestGuard(
    'request: a header is there',
    "if (headers.length === 0) throw unauthorized('no X-Matrix authorization')",
    "if (headers.length === 0) return 'evil.test' as ServerName",
    requests('401 unless'),
  ),
  requestGuard(
    'request: one origin',
    'if (parsed.some((header) => header.origin !== origin))',
    'if (parsed.some((header) => header.origin === null))',
    { file: 'test/unit/federation/key-ring.test.ts', name: 'headers of two origins' },
  ),
  {
    name: 'request: signed for us',
    edits: [
      edit(
        request,
        'if (header.destination !== undefined && header.destination !== deps.serverName)',
        'if (header.destination === null)',
      ),
      edit(
        xMatrix,
        'if (header.destination !== undefined && header.destination !== request.destination) return false',
        '',
      ),
    ],
    behind: {
      name: 'the signature holds our name',
      edits: [
        edit(
          request,
          'destination: deps.serverName, content: body }',
          'destination: parsed[0]?.destination ?? deps.serverName, content: body }',
        ),
      ],
    },
    red: [requests('401 unless')],
  },
  requestGuard(
    'request: the signature is right',
    'if (refusal !== undefined) throw unauthorized(refusal)',
    '',
    requests('401 unless'),
    requests('is not'),
  ),
  requestGuard(
    'request: the body is signed',
    'destination: deps.serverName, content: body }',
    'destination: deps.serverName, content: undefined }',
    requests('401 unless'),
  ),
  of('src/federation/key-ring.ts')(
    'request: not in our name',
    "if (header.origin === this.#deps.serverName) return 'the origin is this server'",
    '',
    requests('401 unless'),
  ),
]
