import type { WorldUser } from '../../support/rooms-world.ts'
import type { Reply, ReplyEvent, SyncRoom, SyncSection } from '../../support/reply.ts'

/** What the client asks for in each request. */
export interface SyncOptions {
  readonly filter?: object
  readonly timeout?: number
  readonly fullState?: boolean
  readonly since?: string
  /** name of the parameter that asks for the state at the end */
  readonly stateAfter?: 'use_state_after' | 'org.matrix.msc4222.use_state_after'
}

/** A client that syncs and keeps the state of its rooms, as clients do. */
export class SyncClient {
  readonly user: WorldUser
  readonly defaults: SyncOptions
  next: string | undefined
  /** by room: event id by `type state_key` */
  readonly state = new Map<string, Map<string, string>>()
  /** by room: event ids in order, without what the client has seen */
  readonly timeline = new Map<string, string[]>()

  constructor(user: WorldUser, defaults: SyncOptions = {}) {
    this.user = user
    this.defaults = defaults
  }

  async sync(more: SyncOptions = {}): Promise<Reply> {
    const { filter, timeout = 0, fullState, stateAfter, since = this.next } = { ...this.defaults, ...more }
    const query = new URLSearchParams({ timeout: String(timeout) })
    if (since !== undefined) query.set('since', since)
    if (filter !== undefined) query.set('filter', JSON.stringify(filter))
    if (fullState) query.set('full_state', 'true')
    if (stateAfter !== undefined) query.set(stateAfter, 'true')
    const answer = await this.user.ok('GET', `/sync?${query.toString()}`)
    this.next = answer.next_batch
    for (const [roomId, section] of Object.entries(answer.rooms?.join ?? {})) this.#apply(roomId, section)
    for (const roomId of Object.keys(answer.rooms?.leave ?? {})) this.state.delete(roomId)
    return answer
  }

  #apply(roomId: string, section: SyncRoom): void {
    const state = this.state.get(roomId) ?? new Map<string, string>()
    const timeline = this.timeline.get(roomId) ?? []
    this.state.set(roomId, state)
    this.timeline.set(roomId, timeline)
    const put = ({ type, state_key, event_id }: ReplyEvent) =>
      state_key === undefined ? undefined : state.set(`${type} ${state_key}`, event_id)
    const after = 'state_after' in section ? 'state_after' : 'org.matrix.msc4222.state_after'
    const events = (key: 'state' | 'timeline' | typeof after) => section[key]?.events ?? []
    const isAfter = after in section
    for (const event of events(isAfter ? after : 'state')) put(event)
    for (const event of events('timeline')) {
      if (!isAfter) put(event)
      if (!timeline.includes(event.event_id)) timeline.push(event.event_id)
    }
  }
}

/** The state of a room as the server gives it, in the form of `SyncClient.state`. */
export async function serverState(user: WorldUser, roomId: string): Promise<Map<string, string>> {
  const events = await user.ok<ReplyEvent[]>('GET', `/rooms/${encodeURIComponent(roomId)}/state`)
  return new Map(events.map(({ type, state_key, event_id }) => [`${type} ${state_key}`, event_id]))
}

let transactions = 0

/** Sends a text; gives the event's id. */
export async function say(user: WorldUser, roomId: string, body: string, more: object = {}): Promise<string> {
  return send(user, roomId, 'm.room.message', { msgtype: 'm.text', body, ...more })
}

/** Sends a message event; gives its id. */
export async function send(user: WorldUser, roomId: string, type: string, content: object): Promise<string> {
  const path = `/rooms/${encodeURIComponent(roomId)}/send/${type}/${++transactions}`
  return (await user.ok('PUT', path, content)).event_id
}

/** Sets state; gives the event's id. */
export async function setState(
  user: WorldUser,
  roomId: string,
  type: string,
  content: object,
  stateKey = '',
): Promise<string> {
  const path = `/rooms/${encodeURIComponent(roomId)}/state/${type}/${encodeURIComponent(stateKey)}`
  return (await user.ok('PUT', path, content)).event_id
}

/** Makes a room that others can join. */
export async function makeRoom(user: WorldUser, more: object = {}): Promise<string> {
  return (await user.ok('POST', '/createRoom', { preset: 'public_chat', ...more })).room_id
}

/** Joins a room. */
export async function join(user: WorldUser, roomId: string): Promise<void> {
  await user.ok('POST', `/rooms/${encodeURIComponent(roomId)}/join`, {})
}

/** The bodies of a room's timeline in an answer. */
export function bodiesOf(answer: Reply, roomId: string, section: SyncSection = 'join'): unknown[] {
  const events = answer.rooms?.[section]?.[roomId]?.timeline.events ?? []
  return events.filter(({ type }) => type === 'm.room.message').map(({ content }) => content.body)
}
