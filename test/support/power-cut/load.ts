import { createHash, randomBytes } from 'node:crypto'
import { ApiClient } from '../api-client.ts'
import { RawConnection, prepareRequest } from '../raw-http.ts'

/** What was asked of a server and answered. */
export interface Told {
  room: string
  /** text of each message, by event id */
  readonly messages: Record<string, string>
  /** access token by user id */
  readonly accounts: Record<string, string>
  /** hex SHA-256 by media id */
  readonly uploads: Record<string, string>
  /** in the order of the answers */
  readonly erased: string[]
}

/** How much to ask for at once. */
export interface Load {
  readonly url: string
  /** messages in all */
  readonly messages: number
  readonly round: number
}

/** Registers the senders, who join one room. */
export async function settle(url: string, senders: number): Promise<{ told: Told; users: ApiClient[] }> {
  const told: Told = { room: '', messages: {}, accounts: {}, uploads: {}, erased: [] }
  const users = await Promise.all(Array.from({ length: senders }, (_, i) => register(url, `sender${i}`, told)))
  const [first, ...others] = users as [ApiClient, ...ApiClient[]]
  told.room = await first.createRoom({ preset: 'public_chat' })
  await Promise.all(others.map((user) => user.join(told.room)))
  return { told, users }
}

/** Many send, and now and then upload, register, erase; others read and wait. */
export async function work({ url, messages, round }: Load, users: readonly ApiClient[], told: Told): Promise<void> {
  let left = messages
  const reader = users[0] as ApiClient
  const room = encodeURIComponent(told.room)
  const send = async (user: ApiClient, name: string) => {
    const connection = await RawConnection.open(url)
    for (let i = 0; left-- > 0; i++) {
      const body = `${name} ${round} ${i} ${'x'.repeat((i * 37) % 500)}`
      const path = `/_matrix/client/v3/rooms/${room}/send/m.room.message/r${round}.${name}.${i}`
      const request = prepareRequest('PUT', path, user.token as string, { msgtype: 'm.text', body })
      told.messages[(await ask<{ event_id: string }>(connection, request)).event_id] = body
      if (i % 12 === 3) await Promise.all([upload(user, i, told), upload(user, i + 1, told)])
      if (i % 12 === 7) await register(url, `new${round}${name}x${i}`, told)
    }
    connection.close()
  }
  const read = async () => {
    const path = `/_matrix/client/v3/rooms/${room}/messages?dir=b&limit=3`
    const request = prepareRequest('GET', path, reader.token as string, undefined)
    const connection = await RawConnection.open(url)
    while (left > 0) await ask(connection, request)
    connection.close()
  }
  const wait = async () => {
    let { next_batch } = await reader.sync()
    while (left > 0) ({ next_batch } = await reader.sync(next_batch, 200))
  }
  const erase = async () => {
    for (let i = 0; left > messages / 2; i++) {
      const user = await register(url, `gone${round}x${i}`, told)
      await user.confirmed('POST', '/_matrix/client/v3/account/deactivate', { erase: true }, 'correct horse battery')
      told.erased.push(user.userId)
    }
  }
  await Promise.all([...users.map((user, i) => send(user, `s${i}`)), read(), wait(), erase()])
}

async function upload(user: ApiClient, i: number, told: Told): Promise<void> {
  const bytes = randomBytes(1 + ((i * 7919) % 40_000))
  const type = { 'content-type': 'application/octet-stream' }
  const { text } = await user.answer('POST', '/_matrix/media/v3/upload', bytes, type)
  const uri = (JSON.parse(text) as { content_uri: string }).content_uri
  told.uploads[uri.slice(uri.lastIndexOf('/') + 1)] = createHash('sha256').update(bytes).digest('hex')
}

async function register(url: string, name: string, told: Told): Promise<ApiClient> {
  const user = await new ApiClient(url).register(name)
  told.accounts[user.userId] = user.token as string
  return user
}

async function ask<T>(connection: RawConnection, request: Buffer): Promise<T> {
  const { status, body } = await connection.request(request)
  if (status !== 200) throw new Error(`${status} ${body}`)
  return JSON.parse(body) as T
}
