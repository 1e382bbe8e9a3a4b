// Runs on Node 24: two people on two servers, each with an unmodified matrix-js-sdk client. Speaks with the test by lines:
// prints {"step": …} after each step, and waits for a line on standard input where the test must do something first.
import { createInterface } from 'node:readline'
import { createClient, EventTimeline, EventType, MsgType, RelationType } from 'matrix-js-sdk'
import { logger } from 'matrix-js-sdk/lib/logger.js'

logger.setLevel?.('error')
const [urlA, urlB] = process.argv.slice(2)
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]()
const done = (step, more = {}) => console.log(JSON.stringify({ step, ...more }))
const say = async (step, more) => {
  done(step, more)
  const { value } = await lines.next()
  return value
}

/** Waits until `check` gives something truthy; looks again at every event of the clients and every 100 ms. */
async function until(what, check, ms = 30_000) {
  const end = Date.now() + ms
  for (;;) {
    const value = await check()
    if (value) return value
    if (Date.now() > end) throw new Error(`${what} did not happen`)
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
}

async function register(baseUrl, username) {
  const guest = createClient({ baseUrl })
  const flows = await guest
    .registerRequest({ username, password: `${username} has a long password` })
    .catch((error) => error)
  if (flows.httpStatus !== 401) throw new Error(`registration did not ask for a stage: ${flows}`)
  await guest.registerRequest({
    username,
    password: `${username} has a long password`,
    auth: { type: 'm.login.dummy', session: flows.data.session },
    inhibit_login: true,
  })
}

async function login(baseUrl, username) {
  const answer = await createClient({ baseUrl }).loginRequest({
    type: 'm.login.password',
    identifier: { type: 'm.id.user', user: username },
    password: `${username} has a long password`,
    initial_device_display_name: 'interop',
  })
  const client = createClient({
    baseUrl,
    accessToken: answer.access_token,
    userId: answer.user_id,
    deviceId: answer.device_id,
  })
  await start(client)
  return client
}

async function start(client) {
  await client.startClient({ lazyLoadMembers: true, threadSupport: true, initialSyncLimit: 20 })
  await until('the first sync', () => client.isInitialSyncComplete())
}

const timeline = (client, roomId) => client.getRoom(roomId)?.getLiveTimeline().getEvents() ?? []
const find = (client, roomId, eventId) => client.getRoom(roomId)?.findEventById(eventId)
const sees = (client, roomId, body) =>
  until(`${client.getUserId()} sees "${body}"`, () =>
    timeline(client, roomId).find((event) => event.getContent().body === body),
  )

await register(urlA, 'alice')
await register(urlB, 'bob')
done('registered')
const alice = await login(urlA, 'alice')
const bob = await login(urlB, 'bob')
await alice.setDisplayName('Alice')
await bob.setDisplayName('Bob')
done('logged in', { alice: alice.getUserId(), bob: bob.getUserId() })

const { room_id: roomId } = await alice.createRoom({
  name: 'Across',
  preset: 'private_chat',
  invite: [bob.getUserId()],
})
await until('bob sees the invite', () => bob.getRoom(roomId)?.getMyMembership() === 'invite')
done('invited', { roomId })
await bob.joinRoom(roomId)
await until('bob is joined', () => bob.getRoom(roomId)?.getMyMembership() === 'join')
await until('alice sees bob', () => alice.getRoom(roomId)?.getMember(bob.getUserId())?.membership === 'join')
done('joined', { name: bob.getRoom(roomId).name })

await alice.sendTextMessage(roomId, 'hello from alice')
await sees(bob, roomId, 'hello from alice')
const { event_id: fromBob } = await bob.sendTextMessage(roomId, 'hello from bob')
await sees(alice, roomId, 'hello from bob')
done('chatted')

await bob.sendEvent(roomId, EventType.RoomMessage, {
  msgtype: MsgType.Text,
  body: '* hello, edited',
  'm.new_content': { msgtype: MsgType.Text, body: 'hello, edited' },
  'm.relates_to': { rel_type: RelationType.Replace, event_id: fromBob },
})
await until('alice sees the edit', () => find(alice, roomId, fromBob)?.getContent().body === 'hello, edited')
done('edited')

const { event_id: reaction } = await alice.sendEvent(roomId, EventType.Reaction, {
  'm.relates_to': { rel_type: RelationType.Annotation, event_id: fromBob, key: '👍' },
})
await until('bob sees the reaction', () =>
  bob
    .getRoom(roomId)
    .relations.getChildEventsForEvent(fromBob, RelationType.Annotation, EventType.Reaction)
    ?.getRelations()
    .some((event) => event.getRelation()?.key === '👍'),
)
done('reacted', { reaction })

const { event_id: regretted } = await alice.sendTextMessage(roomId, 'never said')
await sees(bob, roomId, 'never said')
await alice.redactEvent(roomId, regretted, undefined, { reason: 'a mistake' })
await until('bob sees the redaction', () => find(bob, roomId, regretted)?.isRedacted())
done('redacted')

// The smallest PNG: one red pixel.
const picture = Buffer.from(
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8Dwn4EIwDiqkL4KAcT9GO0U4BxoAAAAAElFTkSuQmCC',
  'base64',
)
const { content_uri: mxc } = await alice.uploadContent(new Blob([picture], { type: 'image/png' }), {
  name: 'dot.png',
  type: 'image/png',
})
await alice.sendImageMessage(roomId, mxc, { w: 1, h: 1, mimetype: 'image/png', size: picture.length }, 'dot.png')
const image = await sees(bob, roomId, 'dot.png')
const download = await fetch(
  bob.mxcUrlToHttp(image.getContent().url, undefined, undefined, undefined, false, true, true),
  {
    headers: { Authorization: `Bearer ${bob.getAccessToken()}` },
  },
)
if (!download.ok || Buffer.compare(Buffer.from(await download.arrayBuffer()), picture) !== 0)
  throw new Error(`picture: ${download.status}`)
const thumbnail = await fetch(bob.mxcUrlToHttp(image.getContent().url, 32, 32, 'scale', false, true, true), {
  headers: { Authorization: `Bearer ${bob.getAccessToken()}` },
})
if (!thumbnail.ok || !thumbnail.headers.get('content-type').startsWith('image/'))
  throw new Error(`thumbnail: ${thumbnail.status}`)
done('picture')

alice.stopClient()
bob.stopClient()
await say('restart')

const bobAgain = createClient({
  baseUrl: urlB,
  accessToken: bob.getAccessToken(),
  userId: bob.getUserId(),
  deviceId: bob.getDeviceId(),
})
await start(bobAgain)
const room = bobAgain.getRoom(roomId)
for (let i = 0; i < 20 && room.getLiveTimeline().getPaginationToken(EventTimeline.BACKWARDS); i++)
  await bobAgain.scrollback(room, 30)
const bodies = timeline(bobAgain, roomId)
  .map((event) => event.getContent().body)
  .filter(Boolean)
done('history', {
  bodies,
  redacted: find(bobAgain, roomId, regretted)?.isRedacted(),
  edited: find(bobAgain, roomId, fromBob)?.getContent().body,
})
const aliceAgain = createClient({
  baseUrl: urlA,
  accessToken: alice.getAccessToken(),
  userId: alice.getUserId(),
  deviceId: alice.getDeviceId(),
})
await start(aliceAgain)
await bobAgain.sendTextMessage(roomId, 'after the restart')
await sees(aliceAgain, roomId, 'after the restart')
done('chatted after the restart')
aliceAgain.stopClient()
bobAgain.stopClient()
process.exit(0)
