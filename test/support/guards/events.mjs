import { atFetched, atHandshakes, atTimeline, door, edit, guardsIn, keyCache, keyRing, sendFile } from './entry.mjs'
import {
  aboutItsSender,
  graphOfTheRoom,
  integersOnly,
  invitesOurUser,
  noRowTakesIt,
  ofTheKind,
  ofTheRoom,
  previousMissing,
  previousNamed,
  signedByNamer,
  signedByOrigin,
  unchangedInHandshakes,
} from './second-lines.mjs'

const format = 'src/protocol/event-format.ts'
const parse = 'src/protocol/parse-event.ts'
const canonical = 'src/protocol/canonical-json.ts'
const ids = 'src/protocol/ids.ts'
const ring = 'src/federation/key-ring.ts'

const formatGuard = guardsIn(format)
const cacheGuard = guardsIn('src/federation/key-cache.ts')
const sendGuard = guardsIn('src/http/federation/send.ts')

const knownKey = edit(ring, 'if (keys.length === 0) return `no valid key of ${signer} is known`')

/** Checks 1 to 3 on receipt of a PDU: form, limits, signatures, content hash. */
export const eventGuards = [
  {
    name: 'event of 65,536 bytes',
    edits: [edit(parse, 'if (isWithinBytes(text, maxEventBytes))', 'if (text.length > 0)')],
    red: [door('of 65,537')],
  },
  {
    ...formatGuard(
      'type is a text',
      "if (typeof pdu.type !== 'string') return 'type is not a string'\n",
      '',
      door('with a type that is'),
    ),
    lines: [noRowTakesIt],
  },
  formatGuard('type of 255 bytes', '!isWithinBytes(pdu.type, maxIdBytes)', 'false', door('with a type of 256')),
  {
    ...formatGuard(
      'state key is a text',
      "return 'state_key is not a string'",
      'return undefined',
      door('with a state key that is'),
    ),
    lines: [aboutItsSender, invitesOurUser, noRowTakesIt],
  },
  {
    ...formatGuard(
      'state key of 255 bytes',
      '!isWithinBytes(pdu.state_key, maxIdBytes)',
      'false',
      door('with a state key of 256'),
    ),
    lines: [aboutItsSender, invitesOurUser],
  },
  {
    name: 'ids of 255 bytes: sender',
    edits: [edit(ids, 'isWithinBytes(value, maxIdBytes) && ', '')],
    red: [door('of a stranger of 256')],
  },
  {
    name: 'ids of 255 bytes: event id',
    edits: [edit(ids, 'isWithinBytes(value, maxIdBytes) && ', '')],
    red: [door('with an event id of 256')],
  },
  {
    ...formatGuard(
      'references of 255 bytes',
      ' && isWithinBytes(value, maxIdBytes)',
      '',
      door('with a previous event of 256'),
    ),
    lines: [previousMissing],
  },
  {
    ...formatGuard(
      'content is an object',
      "isJsonObject(pdu.content) ? undefined : 'content is not an object'",
      'undefined',
      door('with a content that is'),
    ),
    lines: [ofTheKind],
  },
  formatGuard(
    'event id names its server',
    "(eventId as string).includes(':') ? undefined : 'event_id has no server name'",
    'undefined',
    door('with an id that names'),
  ),
  formatGuard(
    'time is an integer',
    "if (!isIntegerMember(pdu, 'origin_server_ts', timestamp)) return 'origin_server_ts is not an integer'\n",
    '',
    door('with a time that'),
  ),
  formatGuard('depth from 0', '(depth as number) >= 0 && ', '', door('with a depth below')),
  {
    ...formatGuard('depth to 2^63', ' && (depth as number) <= limit', '', door('with a depth of 2')),
    lines: [integersOnly],
  },
  {
    ...formatGuard(
      'depth spelled as an integer',
      "!/[.eE]/.test(spellingOf(pdu, key, value) ?? '')",
      'true',
      door('with a depth of 1'),
    ),
    lines: [integersOnly],
  },
  {
    ...formatGuard(
      'references are a list',
      'if (!Array.isArray(references)) return `${name} is not an array`\n',
      'if (!Array.isArray(references)) return undefined\n',
      door('with previous events that are'),
    ),
    lines: [previousNamed],
  },
  {
    ...formatGuard(
      'references are ids',
      'references.every(isRight) ? undefined',
      'references.every(isRight) || true ? undefined',
      door('with a previous event that is'),
    ),
    lines: [previousMissing],
  },
  {
    ...formatGuard('20 previous events', 'isHistory ? Infinity : maxPrevEvents', 'Infinity', door('with 21 prev')),
    lines: [previousMissing],
  },
  {
    ...formatGuard(
      '10 auth events',
      'isHistory ? Infinity : maxAuthEvents',
      'Infinity',
      door('with 11 auth events that are known'),
    ),
    at: '(?!backfill)',
  },
  {
    ...formatGuard(
      'a content hash is there',
      "typeof memberOf(hashes, 'sha256') === 'string' ? undefined",
      'true ? undefined',
      door('without a content hash'),
    ),
    lines: [unchangedInHandshakes],
  },
  formatGuard(
    'signatures of a server are an object',
    "if (!isJsonObject(ofServer)) return 'signatures has an entry that is not an object'",
    'if (!isJsonObject(ofServer)) continue',
    door('with signatures that'),
  ),
  formatGuard(
    'signatures are texts',
    "!Object.values(ofServer).every((signature) => typeof signature === 'string')",
    'false',
    door('with a signature that'),
  ),
  {
    name: 'integers only, and spelled so',
    edits: [edit(canonical, "demand === 'strict-event' && ", 'demand !== demand && ')],
    red: [door('with a float'), door('with 2.53'), door('with -0')],
  },
  {
    name: 'no key twice',
    edits: [edit(canonical, "known?.duplicateKey === true && demand !== 'none'", 'false')],
    red: [door('with a key twice')],
  },
  {
    name: 'nested as deep as may be',
    edits: [edit(canonical, "demand !== 'none' && outside + stack.length >= maxJsonDepth", 'false')],
    red: [door('nested 1,100')],
  },
  {
    name: 'of the room where it came',
    at: '(?!/send)',
    lines: [ofTheRoom, graphOfTheRoom],
    edits: [edit('src/rooms/checks/shape.ts', "event.roomId === roomId ? event : 'of another room'", 'event')],
    red: [door('of another room')],
  },
  {
    name: 'every signature is verified',
    lines: [signedByOrigin],
    edits: [edit(ring, "if (!isRight) refusals.set(eventId, 'a signature is wrong')", 'void isRight')],
    red: [door('signed over'), door('signed with another key under')],
  },
  {
    name: 'signed by a known key',
    lines: [signedByOrigin],
    edits: [knownKey],
    red: [door('signed with another key id'), keyRing('with another key id')],
  },
  {
    name: 'signed at all',
    edits: [edit(ring, 'if (keyIds.length === 0) return `not signed by ${signer}`', '')],
    lines: [
      { name: 'signed by a known key', doors: `${atTimeline}|${atFetched}`, edits: [knownKey] },
      { ...signedByOrigin, edits: [knownKey, ...signedByOrigin.edits] },
    ],
    red: [door('unsigned')],
  },
  {
    name: 'refused signatures stay out of the gate',
    at: `${atTimeline}|${atFetched}|${atHandshakes}`,
    lines: [signedByOrigin],
    edits: [
      edit(
        'src/rooms/checks/signatures.ts',
        'events.filter(({ eventId }) => refusals.get(eventId) === undefined)',
        '[...events]',
      ),
    ],
    red: [door('unsigned')],
  },
  {
    name: 'signed by the server of the sender',
    lines: [signedByOrigin, signedByNamer],
    edits: [
      edit(
        'src/protocol/required-signers.ts',
        'if (!isThirdPartyInvite(event)) signers.add(serverNameOf(event.sender))',
        'if (isThirdPartyInvite(event)) return []',
      ),
    ],
    red: [door('unsigned'), door('signed by another')],
  },
  {
    name: 'signed by the server of the event id',
    edits: [edit('src/protocol/required-signers.ts', 'if (namer !== undefined) signers.add(namer)', 'void namer')],
    red: [door('with an id that another'), keyRing('room versions 1 and 2')],
  },
  {
    name: 'a key within its time',
    edits: [
      edit(
        'src/federation/key-cache.ts',
        'return !use.isValidityEnforced || key.validUntilTs >= use.atTs',
        'return true',
      ),
    ],
    red: [door('later than its key'), keyRing('an event later than')],
  },
  {
    name: 'an old key for old events only',
    edits: [edit('src/federation/key-cache.ts', ' && key.expiredTs >= use.atTs', '')],
    red: [keyRing('after a rotation')],
  },
  {
    name: 'no old key for requests',
    edits: [edit('src/federation/key-cache.ts', "return use.kind === 'event'", 'return true')],
    behind: {
      name: 'an old key for old events only',
      edits: [edit('src/federation/key-cache.ts', ' && key.expiredTs >= use.atTs')],
    },
    red: [keyRing('after a rotation')],
  },
  {
    name: 'a key counts for a week',
    edits: [
      edit(
        'src/federation/key-cache.ts',
        'Math.min(document.validUntilTs, now + weekMs)',
        'Math.max(document.validUntilTs, weekMs)',
      ),
    ],
    red: [keyRing('a key that claims')],
  },
  {
    name: 'a key document is signed by its key',
    edits: [
      edit(
        'src/federation/key-document.ts',
        '.filter(({ keyId, publicKey }) => verifyJson(value, server, keyId, publicKey))',
        '',
      ),
    ],
    red: [keyRing('a key document'), keyRing('a notary document')],
  },
  {
    name: 'a key document is of its server',
    edits: [edit('src/federation/key-document.ts', 'server !== expected || ', 'server === undefined || ')],
    behind: {
      name: 'a key document is signed by its key',
      edits: [
        edit(
          'src/federation/key-document.ts',
          '.filter(({ keyId, publicKey }) => verifyJson(value, server, keyId, publicKey))',
        ),
      ],
    },
    red: [keyRing('a key document')],
  },
  cacheGuard(
    'a notary replaces no key',
    'if (source === own || before === undefined)',
    "if (source !== '')",
    keyCache('a notary replaces no key'),
    keyRing('a notary puts no other key'),
  ),
  cacheGuard(
    'a notary prolongs no key by another one',
    'before.publicKey === key.publicKey && ',
    '',
    keyCache('a notary prolongs'),
  ),
  cacheGuard('a notary moves no end of a key', ' && before.expiredTs === null', '', keyCache('nor moves its end')),
  cacheGuard(
    'a notary ends no key that its server told',
    'before.source === own ? before : ',
    '',
    keyCache('a notary shortens no key'),
  ),
  cacheGuard(
    'a notary shortens no key',
    'if (told.validUntilTs <= before.validUntilTs) return before\n',
    '',
    keyCache('a notary shortens no key'),
  ),
  {
    name: 'our own name is verified with our own keys',
    at: `${atTimeline}|${atFetched}`,
    edits: [edit(ring, '(key) => keyIds.includes(key.keyId) && isUsable(key, use)', '() => false')],
    red: [door('in our name, signed with our')],
  },
  {
    name: 'a wrong content hash prunes',
    lines: [unchangedInHandshakes],
    edits: [
      edit(
        'src/rooms/checks/content-hash.ts',
        'checkContentHash(event) === undefined ? event : pruneEvent(event)',
        'checkContentHash(event) === undefined ? event : (pruneEvent(event), event)',
      ),
    ],
    red: [door('with a wrong content')],
  },
  {
    name: 'fetched events: a wrong content hash prunes',
    at: atFetched,
    edits: [
      edit(
        'src/rooms/fetch.ts',
        'passed.map(redactUnlessHashed)',
        'passed.map((event) => (redactUnlessHashed(event), event))',
      ),
    ],
    red: [door('with a wrong content')],
  },
  sendGuard('50 PDUs', 'if (pdus.length > maxPdus)', 'if (pdus.length > 2 * maxPdus)', sendFile('too many PDUs')),
  sendGuard('100 EDUs', 'if (edus.length > maxEdus)', 'if (edus.length > 2 * maxEdus)', sendFile('too many PDUs')),
  {
    name: 'EDUs of the users of their origin',
    edits: [
      edit(
        'src/federation/edus.ts',
        'userId !== undefined && serverNameOf(userId) === origin ? userId',
        'userId !== undefined && origin ? userId',
      ),
    ],
    red: [
      { file: 'test/unit/federation/edus.test.ts', name: '.' },
      sendFile('typing: of the origin'),
      sendFile('receipts: of the origin'),
    ],
  },
]
