import { setTimeout as pause } from 'node:timers/promises'
import { RawConnection, prepareRequest } from './raw-http.ts'

/** What one sender was told: event ids by the body of the message, and how often it was refused or cut off. */
export interface Told {
  readonly acknowledged: Map<string, string>
  refusals: number
  cuts: number
}

/** Where a sender of messages sends, and until when. */
export interface SenderOptions {
  /** asked before every attempt, so that a sender can move to another process */
  readonly url: () => string
  readonly token: string
  readonly room: string
  /** the beginning of every transaction id and body */
  readonly name: string
  readonly until: () => boolean
  readonly onAcknowledged?: () => void
}

/**
 * Sends numbered messages, each until it is acknowledged: one refused with 503 or cut off is sent again under its transaction
 * id, as a client does. Throws on any other answer, and where a message is not taken within a minute.
 */
export async function sendWhile(options: SenderOptions): Promise<Told> {
  const told: Told = { acknowledged: new Map(), refusals: 0, cuts: 0 }
  for (let i = 0; !options.until(); i++) {
    const body = `${options.name}.${i}`
    told.acknowledged.set(body, await sendUntilTaken(options, body, told))
    options.onAcknowledged?.()
  }
  connections.get(told)?.connection.close()
  return told
}

const connections = new WeakMap<Told, { url: string; connection: RawConnection }>()

async function sendUntilTaken({ url, token, room, name }: SenderOptions, body: string, told: Told): Promise<string> {
  const path = `/_matrix/client/v3/rooms/${encodeURIComponent(room)}/send/m.room.message/${body}`
  const request = prepareRequest('PUT', path, token, { msgtype: 'm.text', body })
  const end = performance.now() + 60_000
  while (performance.now() < end) {
    try {
      const answer = await (await connected(told, url())).request(request)
      if (answer.status === 200) return (JSON.parse(answer.body) as { event_id: string }).event_id
      if (answer.status !== 503) throw new TypeError(`${name}: ${answer.status} ${answer.body}`)
      told.refusals++
    } catch (error) {
      if (error instanceof TypeError) throw error
      told.cuts++
      connections.get(told)?.connection.close()
      connections.delete(told)
    }
    await pause(20)
  }
  throw new Error(`${body} was not taken within a minute`)
}

async function connected(told: Told, url: string): Promise<RawConnection> {
  const held = connections.get(told)
  if (held?.url === url) return held.connection
  held?.connection.close()
  const connection = await RawConnection.open(url)
  connections.set(told, { url, connection })
  return connection
}
