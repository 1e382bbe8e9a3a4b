import { edit, guardsIn, inFile, together } from './entry.mjs'

const durability = inFile('test/store/durability.test.ts')
const mount = inFile('test/unit/http/mount.test.ts')
const heldSync = inFile('test/scenario/held-sync.test.ts')
const alike = together('each gets exactly')
const ofOneMessage = together('readers of one message')
const places = together('behind differently')
const erased = together('what an erased person wrote')

const timeline = guardsIn('src/delivery/sync/timeline.ts')
const ephemeral = guardsIn('src/delivery/sync/ephemeral.ts')
const unread = guardsIn('src/delivery/unread-together.ts')
const handle = guardsIn('src/http/handle.ts')

/** What a reader gets, alone and together with others, and that no answer leaves before its sync. */
export const readerGuards = [
  guardsIn('src/store/group-commit.ts')(
    'sync: a write is confirmed after it',
    'await durable()\n',
    'void durable()\n',
    heldSync('no answer leaves'),
  ),
  guardsIn('src/store/durability.ts')(
    'sync: one that began before the commit counts for nothing',
    'Math.max(this.#durable, target)',
    'Math.max(this.#committed, target)',
    durability('a commit is durable only'),
  ),
  handle(
    'sync: answers wait for that of what they saw',
    'if (!endpoint.tellsOwnWrite) await deps.database.durable()\n',
    '',
    heldSync('no answer leaves'),
  ),
  handle(
    'sync: refusals wait for that of what they saw',
    'await deps.database.durable().catch(() => undefined)\n',
    '',
    mount('only the answer that tells'),
  ),
  timeline(
    'readers: what they may see',
    'if (!(standing.isSeenLikeOthers(row) ?? (await standing.maySee(row)))) continue\n',
    '',
    ofOneMessage,
  ),
  timeline('readers: nothing of whom they ignore', '!isIgnored(context.ignored, row) && ', '', ofOneMessage),
  ephemeral(
    'readers: private receipts are their own',
    "type !== 'm.read.private' || ",
    "type !== '' || ",
    ofOneMessage,
  ),
  guardsIn('src/rooms/event-form.ts')(
    'readers: an erased person’s words for who was there',
    'return (await isHolder()) ? asStored : pruned\n',
    'return asStored\n',
    erased,
  ),
  ephemeral(
    'readers: no receipts of an erased person',
    'context.deps.erased.of(user_nid) === undefined && ',
    '',
    erased,
  ),
  ephemeral('readers: no typing of an erased person', ' && deps.erased.of(userNid) === undefined', '', erased),
  {
    name: 'readers: an erasure of another process',
    needs: 'LETHE_TEST_POSTGRES',
    edits: [edit('src/delivery/sync/moment.ts', 'await deps.erased.refresh(conn)\n')],
    red: [together('on postgres what an erased person')],
  },
  timeline('together: timelines by room', '${roomNid} ${at} ${most}', '${at} ${most}', erased),
  timeline('together: timelines by place', '${roomNid} ${at} ${most}', '${roomNid} ${most}', alike),
  ephemeral(
    'together: receipts by how far a reader is behind',
    '${room.nid} ${JSON.stringify(behind)}',
    '${room.nid}',
    places,
  ),
  guardsIn('src/rooms/bundles.ts')('together: relations by events', "ids.join(' ')", 'String(ids.length)', places),
  guardsIn('src/delivery/sync/news.ts')(
    'together: only who stands at one place',
    'JSON.stringify([behind, typingIn])',
    'JSON.stringify([behind.length])',
    alike,
  ),
  unread('together: who is ignored does not count', ' && !ignored.has(sender)', '', ofOneMessage),
]
