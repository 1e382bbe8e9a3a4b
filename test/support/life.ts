import { connect } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'
import { ApiClient, eventually } from './api-client.ts'
import type { Canaries } from './canaries.ts'
import { makePng } from './png.ts'

/** Those around alice. */
export interface Cast {
  /** on alice's server, in her rooms from the start */
  readonly bob: ApiClient
  /** on alice's server, thrown out and invited by her */
  readonly dave: ApiClient
  readonly erin: ApiClient
  /** on a second Lethe, in her rooms from the start */
  readonly peer: ApiClient
  /** on a real Synapse, where there is one */
  readonly sam: ApiClient | undefined
}

/** What alice leaves behind. */
export interface Life {
  readonly alice: ApiClient
  readonly password: string
  readonly rooms: {
    /** public, made by alice: everybody is in it */
    readonly shared: string
    /** of room version 10, made by bob: alice, bob, the peer, Synapse */
    readonly old: string
    /** encrypted, made by alice: bob and the peer */
    readonly secret: string
    /** nobody but alice was ever in it */
    readonly alone: string
    /** made by bob; alice has left it */
    readonly left: string
    /** made by alice; dave and the peer are invited, and not in it */
    readonly inviting: string
  }
  /** alice's messages, reactions, edits: everything that is no state, by room */
  readonly messages: Readonly<Record<'shared' | 'old' | 'secret' | 'alone' | 'left', readonly string[]>>
  /** pictures and files, by what they are */
  readonly media: Readonly<
    Record<'avatar' | 'oldAvatar' | 'picture' | 'alone' | 'encrypted' | 'unused' | 'roomAvatar', string>
  >
  /** all media ids, also of what was never finished */
  readonly reserved: string
  /** the text of the message in `shared` that no edit replaced, and its event id */
  readonly plain: { readonly id: string; readonly body: string }
  /** mxc of the picture's message */
  readonly pictureEvent: string
}

const client = '/_matrix/client/v3'
const encoded = encodeURIComponent

/** Calls an endpoint that this server may not have yet; anything but success or M_UNRECOGNIZED throws. */
async function ifKnown(who: ApiClient, method: string, path: string, body?: unknown): Promise<boolean> {
  const { status, text } = await who.answer(method, path, body === undefined ? undefined : JSON.stringify(body), {
    'content-type': 'application/json',
  })
  if (status === 200) return true
  if ((status === 404 || status === 405) && text.includes('M_UNRECOGNIZED')) return false
  throw new Error(`${method} ${path}: ${status} ${text}`)
}

/**
 * Alice enters something wherever a person can enter something, each with a canary of its own, on a server whose URL is
 * given; the others read it, fetch it, and hold what they get.
 */
export async function liveLife(canaries: Canaries, baseUrl: string, serverName: string, cast: Cast): Promise<Life> {
  const c = canaries.of.bind(canaries)
  const alice = new ApiClient(baseUrl)
  alice.headers['user-agent'] = `${c('user agent', 'fleeting')}/1.0`
  const firstPassword = c('first password', 'never')
  const password = c('password', 'never')

  // The account: registration, log-ins, devices, password.
  await alice.register('alice', firstPassword, c('first device name'))
  const me = `${client}/profile/${encoded(alice.userId)}`
  const mine = `${client}/user/${encoded(alice.userId)}`
  await alice.confirmed(
    'POST',
    `${client}/account/password`,
    { new_password: password, logout_devices: false },
    firstPassword,
  )
  await alice.login('alice', password, {
    device_id: c('device id'),
    initial_device_display_name: c('old device name', 'fleeting'),
  })
  await alice.call('PUT', `${client}/devices/${encoded(alice.deviceId)}`, { display_name: c('device name') })
  await expectRefusal(alice, 'POST', `${client}/login`, {
    type: 'm.login.password',
    identifier: { type: 'm.id.user', user: 'alice' },
    password: c('wrong password', 'never'),
  })
  await expectRefusal(alice, 'POST', `${client}/login`, {
    type: 'm.login.password',
    identifier: { type: 'm.id.user', user: c('unknown user', 'never') },
    password: 'x',
  })

  // The profile.
  const avatar = await alice.upload(
    makePng(c('avatar bytes'), { seed: 3 }),
    'image/png',
    `${c('avatar file name')}.png`,
  )
  const oldAvatar = await alice.upload(makePng(c('old avatar bytes'), { seed: 4 }), 'image/png', 'old.png')
  await alice.call('PUT', `${me}/displayname`, { displayname: c('old display name', 'fleeting') })
  await alice.call('PUT', `${me}/avatar_url`, { avatar_url: oldAvatar })
  await ifKnown(alice, 'PUT', `${me}/org.example.pronouns`, { 'org.example.pronouns': c('profile field') })
  await ifKnown(alice, 'PUT', `${me}/m.tz`, { 'm.tz': `Europe/${c('time zone')}` })

  // A room of hers: everything that a room can be made with.
  const shared = await alice.createRoom({
    preset: 'public_chat',
    name: c('old room name'),
    topic: c('old topic'),
    room_alias_name: c('alias', 'm.room.canonical_alias'),
    invite: [cast.bob.userId],
    creation_content: { 'org.example.note': c('creation content', 'm.room.create') },
    power_level_content_override: { users_default: 0, 'org.example.note': c('power levels', 'm.room.power_levels') },
    initial_state: [{ type: 'org.example.initial', state_key: '', content: { text: c('initial state') } }],
  })
  await Promise.all([cast.bob, cast.dave, cast.erin].map((one) => one.join(shared)))
  await cast.peer.join(shared, serverName)
  await cast.sam?.join(shared, serverName)

  // Names and pictures change while she is in rooms, so that superseded member events hold them too.
  await alice.call('PUT', `${me}/displayname`, { displayname: c('middle display name') })
  await alice.call('PUT', `${me}/displayname`, { displayname: c('display name') })
  await alice.call('PUT', `${me}/avatar_url`, { avatar_url: avatar })
  await alice.setState(
    shared,
    'm.room.member',
    {
      membership: 'join',
      displayname: c('name in this room'),
      avatar_url: avatar,
      reason: c('own member reason'),
      'org.example.extra': c('member extra'),
    },
    alice.userId,
  )

  // Room state, superseded and current.
  const roomAvatar = await alice.upload(
    makePng(c('room avatar bytes', 'm.room.avatar'), { seed: 5 }),
    'image/png',
    `${c('room avatar file name', 'm.room.avatar')}.png`,
  )
  await alice.setState(shared, 'm.room.name', { name: c('room name', 'm.room.name') })
  await alice.setState(shared, 'm.room.topic', { topic: c('topic', 'm.room.topic') })
  await alice.setState(shared, 'm.room.avatar', { url: oldAvatar, info: { 'org.example.note': c('old room avatar') } })
  await alice.setState(shared, 'm.room.avatar', {
    url: roomAvatar,
    info: { 'org.example.note': c('room avatar', 'm.room.avatar') },
  })
  await alice.setState(shared, 'org.example.custom', { text: c('old custom state') }, 'key')
  await alice.setState(shared, 'org.example.custom', { text: c('custom state') }, 'key')

  // Messages of every kind.
  const picture = await alice.upload(makePng(c('picture bytes')), 'image/png', `${c('picture file name')}.png`)
  const thumbnail = await alice.upload(makePng(c('own thumbnail bytes'), { size: 16 }), 'image/png', 'thumb.png')
  const body = c('message')
  const plain = await alice.send(shared, body)
  const edited = await alice.send(shared, c('message before its edit'))
  const relates = (rel_type: string, event_id: string, more = {}) => ({
    'm.relates_to': { rel_type, event_id, ...more },
  })
  const bobs = await cast.bob.send(shared, `hello ${alice.userId}, says bob`)
  await eventually(async () => alice.event(shared, bobs))
  const pictureEvent = await alice.send(shared, {
    msgtype: 'm.image',
    body: c('picture body'),
    filename: c('file name in the event'),
    url: picture,
    info: { mimetype: 'image/png', w: 96, h: 96, thumbnail_url: thumbnail },
  })
  const sharedMessages = [
    plain,
    edited,
    await alice.send(shared, {
      msgtype: 'm.text',
      body: `* ${c('edit fallback')}`,
      'm.new_content': { msgtype: 'm.text', body: c('edit') },
      ...relates('m.replace', edited),
    }),
    await alice.send(shared, {
      msgtype: 'm.text',
      body: c('reply'),
      format: 'org.matrix.custom.html',
      formatted_body: `<b>${c('formatted reply')}</b>`,
      'm.relates_to': { 'm.in_reply_to': { event_id: bobs } },
    }),
    await alice.send(shared, relates('m.annotation', bobs, { key: c('reaction key') }), 'm.reaction'),
    await alice.send(shared, {
      msgtype: 'm.text',
      body: c('in a thread'),
      ...relates('m.thread', bobs, { is_falling_back: true, 'm.in_reply_to': { event_id: bobs } }),
    }),
    await alice.send(shared, {
      msgtype: 'm.text',
      body: `${c('mention')} ${cast.bob.userId}`,
      'm.mentions': { user_ids: [cast.bob.userId] },
    }),
    await alice.send(shared, { text: c('custom event') }, 'org.example.event'),
    await alice.send(shared, { 'm.poll': { question: c('poll question') } }, 'org.matrix.msc3381.poll.start'),
    pictureEvent,
    (
      await alice.call<{ event_id: string }>(
        'PUT',
        `${client}/rooms/${encoded(shared)}/send/m.room.message/${c('transaction id', 'fleeting')}`,
        { msgtype: 'm.text', body: c('with a transaction id') },
      )
    ).event_id,
  ]
  const regretted = await alice.send(shared, c('redacted by herself', 'fleeting'))
  await alice.redact(shared, regretted, c('redaction reason'))
  const bobsOther = await cast.bob.send(shared, 'bob is redacted')
  await alice.redact(shared, bobsOther, c('redaction reason of another'))

  // Power over others, with reasons.
  for (const [action, reason] of [
    ['kick', 'kick reason'],
    ['ban', 'ban reason'],
    ['unban', 'unban reason'],
  ] as const) {
    await alice.act(shared, action, { user_id: cast.dave.userId, reason: c(reason) })
  }

  // A room of an old version that somebody else made; what alice redacts there has a reason that stays (section 4).
  const old = await cast.bob.createRoom({ room_version: '10', preset: 'public_chat', name: 'old' })
  await cast.peer.join(old, serverName)
  await cast.sam?.join(old, serverName)
  await alice.call('POST', `${client}/join/${encoded(old)}`, { reason: c('join reason') })
  const oldMessage = await alice.send(old, c('message in an old room'))
  const oldRegretted = await alice.send(old, 'redacted')
  await alice.redact(old, oldRegretted, c('redaction reason in an old room', 'm.room.redaction'))

  // An encrypted room.
  const secret = await alice.createRoom({
    preset: 'private_chat',
    invite: [cast.bob.userId, cast.peer.userId],
    initial_state: [
      {
        type: 'm.room.encryption',
        state_key: '',
        content: { algorithm: 'm.megolm.v1.aes-sha2', 'org.example.note': c('encryption', 'm.room.encryption') },
      },
    ],
  })
  await cast.bob.join(secret)
  await eventually(() => cast.peer.join(secret, serverName), 20_000, 'the peer joins the encrypted room')
  const encrypted = await alice.upload(
    Buffer.from(`ciphertext ${c('encrypted file bytes')}`),
    'application/octet-stream',
    c('encrypted file name'),
  )
  const secretMessages = [
    await alice.send(
      secret,
      {
        algorithm: 'm.megolm.v1.aes-sha2',
        ciphertext: c('ciphertext'),
        session_id: c('session id'),
        device_id: alice.deviceId,
      },
      'm.room.encrypted',
    ),
    await alice.send(
      secret,
      { algorithm: 'm.megolm.v1.aes-sha2', ciphertext: 'reply', ...relates('m.thread', bobs) },
      'm.room.encrypted',
    ),
  ]

  // A room that nobody else was ever in.
  const alone = await alice.createRoom({ name: c('name of a room of one', 'm.room.name') })
  const aloneFile = await alice.upload(
    Buffer.from(`diary: ${c('diary bytes')}`),
    'text/plain',
    `${c('diary file name')}.txt`,
  )
  const aloneMessages = [
    await alice.send(alone, c('message to nobody')),
    await alice.send(alone, { msgtype: 'm.file', body: c('diary body'), url: aloneFile }),
  ]
  await alice.call('PUT', `${client}/directory/room/${encoded(`#${c('alias of a room of one')}:${serverName}`)}`, {
    room_id: alone,
  })

  // A room that she has left, with a reason; one whose invite she declined; rooms that she invites to.
  const left = await cast.bob.createRoom({ preset: 'public_chat' })
  await alice.join(left)
  const leftMessage = await alice.send(left, c('message in a room that was left'))
  await alice.act(left, 'leave', { reason: c('leave reason') })
  const declined = await cast.bob.createRoom({ preset: 'private_chat', invite: [alice.userId] })
  await alice.act(declined, 'leave', { reason: c('decline reason') })
  await speakOfAlice(canaries, alice, cast, serverName)
  const inviting = await alice.createRoom({
    preset: 'private_chat',
    topic: c('old topic of an invite'),
    name: c('name in an invite', 'm.room.name'),
  })
  await alice.setState(inviting, 'm.room.topic', { topic: '' })
  for (const invited of [cast.dave, cast.peer])
    await alice.act(inviting, 'invite', { user_id: invited.userId, reason: c('invite reason') })
  const knockable = await cast.bob.createRoom({
    initial_state: [{ type: 'm.room.join_rules', state_key: '', content: { join_rule: 'knock' } }],
  })
  await ifKnown(alice, 'POST', `${client}/knock/${encoded(knockable)}`, { reason: c('knock reason', 'fleeting') })

  // Settings.
  await alice.call('PUT', `${mine}/account_data/org.example.${c('account data type')}`, {
    text: c('old account data', 'fleeting'),
  })
  await alice.call('PUT', `${mine}/account_data/org.example.${c('account data type')}`, { text: c('account data') })
  await alice.call('PUT', `${mine}/rooms/${encoded(shared)}/account_data/org.example.room`, {
    text: c('room account data'),
  })
  await alice.call('PUT', `${mine}/rooms/${encoded(shared)}/tags/${encoded(`u.${c('tag')}`)}`, { order: 0.5 })
  await alice.call('POST', `${mine}/filter`, { room: { timeline: { types: [c('filter')] } } })
  await alice.call('PUT', `${client}/pushrules/global/content/${c('push rule id')}`, {
    actions: ['notify'],
    pattern: c('push rule pattern'),
  })

  // Reading, typing, and what may be in a URL, a query or a broken request.
  await alice.act(shared, `receipt/m.read/${encoded(bobs)}`, {})
  await alice.act(shared, 'read_markers', { 'm.fully_read': bobs, 'm.read': bobs })
  await alice.call('PUT', `${client}/rooms/${encoded(shared)}/typing/${encoded(alice.userId)}`, {
    typing: true,
    timeout: 30_000,
  })
  await alice.call(
    'GET',
    `${client}/sync?timeout=0&filter=${encoded(JSON.stringify({ room: { timeline: { not_types: [c('filter in a query', 'never')] } } }))}`,
  )
  await alice.answer('GET', `${client}/${c('unknown path', 'never')}?${c('unknown query', 'never')}=1`)
  await alice.answer('POST', `${client}/createRoom`, `{"name":"${c('broken request', 'never')}`, {
    'content-type': 'application/json',
  })
  await alice.answer(
    'GET',
    `${client}/directory/room/${encoded(`#${c('alias that is not there', 'never')}:${serverName}`)}`,
  )
  await ifKnown(alice, 'POST', `${client}/search`, {
    search_categories: { room_events: { search_term: c('search term', 'never') } },
  })
  await ifKnown(alice, 'POST', `${client}/user_directory/search`, { search_term: c('user search term', 'never') })
  await ifKnown(alice, 'POST', `${client}/rooms/${encoded(shared)}/report/${encoded(bobs)}`, {
    reason: c('report reason', 'fleeting'),
    score: -50,
  })
  await ifKnown(alice, 'PUT', `${client}/sendToDevice/org.example.event/${c('to-device transaction', 'fleeting')}`, {
    messages: { [cast.bob.userId]: { '*': { text: c('to-device message', 'fleeting') } } },
  })
  await ifKnown(alice, 'PUT', `${client}/presence/${encoded(alice.userId)}/status`, {
    presence: 'online',
    status_msg: c('status message', 'fleeting'),
  })
  await ifKnown(alice, 'POST', `${mine}/openid/request_token`, {})

  // Files that belong to no event, one that was never uploaded, one whose upload broke off.
  const unused = await alice.upload(Buffer.from(c('unused file bytes')), 'text/plain', `${c('unused file name')}.txt`)
  const { content_uri: reserved } = await alice.call<{ content_uri: string }>('POST', '/_matrix/media/v1/create')
  await breakOffUpload(alice, `${c('broken upload', 'fleeting')} `.repeat(20_000))

  // The others read and fetch, so that copies lie wherever copies come to lie.
  const all = [...sharedMessages, bobs]
  for (const reader of [cast.bob, cast.peer, ...(cast.sam === undefined ? [] : [cast.sam])]) {
    for (const id of all) await eventually(() => reader.event(shared, id), 30_000, `${reader.userId} sees ${id}`)
    await eventually(() => reader.event(old, oldMessage), 30_000, `${reader.userId} sees the old room's message`)
    await eventually(
      async () => (await reader.download(picture)).status === 200,
      20_000,
      `${reader.userId} fetches the picture`,
    )
    await reader.sync()
  }
  for (const id of secretMessages)
    await eventually(() => cast.peer.event(secret, id), 30_000, 'the peer sees the encrypted message')
  for (const reader of [cast.bob, cast.peer]) {
    for (const uri of [picture, avatar]) {
      const { status, bytes } = await reader.thumbnail(uri)
      if (status !== 200) throw new Error(`${reader.userId} gets no thumbnail: ${status}`)
      const middle = Math.floor(bytes.length / 2)
      canaries.addBytes(
        `thumbnail of the ${uri === picture ? 'picture' : 'avatar'}`,
        bytes.subarray(middle, middle + 24),
      )
    }
  }
  await cast.peer.download(encrypted)
  await eventually(
    async () =>
      Object.keys(((await cast.peer.sync())['rooms'] as { invite?: object } | undefined)?.invite ?? {}).includes(
        inviting,
      ),
    20_000,
    'the invite of the peer',
  )

  return {
    alice,
    password,
    rooms: { shared, old, secret, alone, left, inviting },
    messages: {
      shared: sharedMessages,
      old: [oldMessage],
      secret: secretMessages,
      alone: aloneMessages,
      left: [leftMessage],
    },
    media: { avatar, oldAvatar, picture, alone: aloneFile, encrypted, unused, roomAvatar },
    reserved,
    plain: { id: plain, body },
    pictureEvent,
  }
}

/** Somebody of her server and somebody of another one say who she is, in events of theirs: invites, a kick, a ban. */
async function speakOfAlice(canaries: Canaries, alice: ApiClient, { bob, peer }: Cast, serverName: string) {
  const c = canaries.of.bind(canaries)
  const room = await bob.createRoom({
    room_version: '11',
    preset: 'public_chat',
    power_level_content_override: { users: { [bob.userId]: 100, [peer.userId]: 50 } },
  })
  await peer.join(room, serverName)
  const say = (who: ApiClient, membership: string, as: string) =>
    who.setState(
      room,
      'm.room.member',
      {
        membership,
        displayname: c(`name in ${as}`),
        avatar_url: `mxc://${serverName}/${c(`picture in ${as}`, 'event_media')}`,
        reason: c(`reason of ${as}`),
      },
      alice.userId,
    )
  await say(bob, 'invite', "bob's invite")
  await say(bob, 'leave', "bob's kick")
  const byPeer = [await say(peer, 'invite', "the peer's invite"), await say(peer, 'ban', "the peer's ban")]
  for (const id of byPeer) await eventually(() => bob.event(room, id), 20_000, 'bob sees what the peer says of alice')
}

async function expectRefusal(who: ApiClient, method: string, path: string, body: unknown): Promise<void> {
  const { status } = await who.answer(method, path, JSON.stringify(body), { 'content-type': 'application/json' })
  if (status !== 403) throw new Error(`${method} ${path} was not refused: ${status}`)
}

/** Sends half of an upload and hangs up. */
async function breakOffUpload(who: ApiClient, text: string): Promise<void> {
  const { hostname, port } = new URL(who.baseUrl)
  await new Promise<void>((resolve, reject) => {
    const socket = connect(Number(port), hostname)
    socket.once('error', reject)
    socket.write(
      `POST /_matrix/media/v3/upload?filename=half.bin HTTP/1.1\r\nHost: ${hostname}\r\nAuthorization: Bearer ${who.token}\r\nContent-Type: application/octet-stream\r\nContent-Length: ${2 * text.length}\r\n\r\n`,
    )
    socket.write(text, () => resolve(pause(200).then(() => void socket.destroy())))
  })
}
