import type { Person } from './person.ts'
import type { Seeded } from './seeded.ts'
import type { Tracker } from './tracker.ts'
import type { World } from './world.ts'

const part = encodeURIComponent

/** An event that a server said it has accepted. */
export interface Acked {
  readonly room: string
  readonly eventId: string
  readonly server: string
  readonly sender: string
  readonly what: string
}

/** What people do, and how often. */
export const usual = {
  say: 30,
  topic: 5,
  custom: 8,
  levels: 5,
  joinRule: 3,
  kick: 3,
  ban: 4,
  unban: 3,
  invite: 5,
  join: 8,
  leave: 4,
  redact: 6,
  profile: 2,
  receipt: 3,
  typing: 2,
  sync: 14,
  poll: 5,
  look: 3,
}

/** The kinds of things that people do. */
export type Action = keyof typeof usual

/** Only what anybody may do at any time, and what leaves everybody in the room. */
export const peaceful: Partial<Record<Action, number>> = {
  say: 40,
  topic: 6,
  custom: 10,
  redact: 8,
  receipt: 4,
  typing: 3,
  sync: 14,
  poll: 6,
  look: 3,
}

/** What a schedule does its actions with. */
export interface Stage {
  readonly world: World
  readonly random: Seeded
  readonly rooms: readonly string[]
  readonly trackers: ReadonlyMap<Person, Tracker>
  readonly acked: Acked[]
  /** events that were there before the schedule began: what changes nothing is answered with one of them */
  readonly before: ReadonlySet<string>
  /** whose accounts are gone */
  readonly erased: Person[]
  /** requests that have no answer yet */
  pending: number
  count: number
}

/** Somebody has their account erased, and asks again until there is an answer. */
export function eraseAccount(stage: Stage, person: Person): void {
  stage.world.note(`${person.id} has the account erased`)
  stage.pending++
  const run = async () => {
    const path = '/account/deactivate'
    for (let left = 40; left > 0; left--) {
      const asked = await ask(stage, person, 'POST', path, { erase: true })
      const session = (asked?.body as { session?: string } | undefined)?.session
      const identifier = { type: 'm.id.user', user: person.id }
      const auth = { type: 'm.login.password', identifier, password: 'correct horse', session }
      const answer = session === undefined ? asked : await ask(stage, person, 'POST', path, { erase: true, auth })
      // without a session and with a refusal, the request before had been carried out, and only its answer was lost
      if (answer?.status === 200 || (answer?.status === 401 && session === undefined)) {
        stage.world.note(`   ${person.id} is erased: ${answer.status}`)
        stage.erased.push(person)
        return
      }
      await new Promise<void>((resolve) => stage.world.time.after(3_000, resolve))
    }
    stage.world.fault(`${person.id} cannot be erased`)
  }
  run()
    .catch((error: unknown) => stage.world.fault(`erasure: ${error instanceof Error ? error.stack : String(error)}`))
    .finally(() => stage.pending--)
}

/** Somebody does something, now. What comes of it is noted when it comes. */
export function act(stage: Stage, action: Action): void {
  const { world, random } = stage
  const person = random.pick(world.people)
  const room = random.chance(0.85) ? (stage.rooms[0] as string) : random.pick(stage.rooms)
  const n = ++stage.count
  world.note(`#${n} ${person.id} ${action} ${room}`)
  stage.pending++
  run(stage, action, person, room, n)
    .catch((error: unknown) => world.fault(`#${n} ${action}: ${error instanceof Error ? error.stack : String(error)}`))
    .finally(() => stage.pending--)
}

async function run(stage: Stage, action: Action, person: Person, room: string, n: number): Promise<void> {
  const { random, world } = stage
  const at = `/rooms/${part(room)}`
  const other = random.pick(world.people)
  const state = (type: string, key: string, content: object) =>
    send(stage, person, room, 'PUT', `${at}/state/${type}/${part(key)}`, content, `${type} ${n}`)
  switch (action) {
    case 'say':
      return send(
        stage,
        person,
        room,
        'PUT',
        `${at}/send/m.room.message/t${n}`,
        { msgtype: 'm.text', body: `${n}` },
        'message',
      )
    case 'topic':
      return state('m.room.topic', '', { topic: `${n}` })
    case 'custom':
      return state('org.test.custom', `k${random.integer(3)}`, { n })
    case 'joinRule':
      return state('m.room.join_rules', '', { join_rule: random.chance(0.6) ? 'public' : 'invite' })
    case 'levels':
      return changeLevels(stage, person, room, other.id)
    case 'profile':
      return state('m.room.member', person.id, { membership: 'join', displayname: `${n}` })
    case 'kick':
    case 'ban':
    case 'unban':
    case 'invite':
      return send(stage, person, room, 'POST', `${at}/${action}`, { user_id: other.id }, action)
    case 'leave':
      return send(stage, person, room, 'POST', `${at}/leave`, {}, action)
    case 'join':
      return send(stage, person, room, 'POST', `/join/${part(room)}?server_name=${part(other.server.name)}`, {}, action)
    case 'redact': {
      const targets = stage.acked.filter((acked) => acked.room === room)
      if (targets.length === 0) return
      const { eventId } = random.pick(targets.slice(-8))
      return send(stage, person, room, 'PUT', `${at}/redact/${part(eventId)}/t${n}`, {}, 'redaction')
    }
    case 'receipt': {
      const seen = stage.trackers.get(person)?.seen.get(room)?.at(-1)
      if (seen !== undefined) await ask(stage, person, 'POST', `${at}/receipt/m.read/${part(seen)}`, {})
      return
    }
    case 'typing':
      await ask(stage, person, 'PUT', `${at}/typing/${part(person.id)}`, { typing: random.chance(0.7), timeout: 5_000 })
      return
    case 'sync':
      return stage.trackers.get(person)?.step(0)
    case 'poll':
      return stage.trackers.get(person)?.step(random.between(1, 30) * 1_000)
    case 'look':
      await ask(stage, person, 'GET', `${at}/messages?dir=b&limit=20`)
      return
  }
}

/** A request whose answer must not be a fault of the server. */
async function ask(stage: Stage, person: Person, method: string, path: string, body?: object) {
  const answer = await person.call(method, path, body)
  // 502 and 504 speak of other servers
  if (answer !== undefined && answer.status >= 500 && ![502, 504].includes(answer.status))
    stage.world.fault(`${person.id} ${method} ${path}: ${answer.status} ${JSON.stringify(answer.body)}`)
  return answer
}

async function send(
  stage: Stage,
  person: Person,
  room: string,
  method: string,
  path: string,
  body: object,
  what: string,
): Promise<void> {
  // A client that hears nothing asks again, with the same transaction id.
  for (let left = 3; left > 0; left--) {
    const answer = await ask(stage, person, method, path, body)
    if (answer !== undefined) {
      const eventId = (answer.body as { event_id?: string }).event_id
      stage.world.note(`   ${person.id} ${what}: ${answer.status} ${eventId ?? JSON.stringify(answer.body)}`)
      if (answer.status === 200 && eventId !== undefined && !stage.before.has(eventId))
        stage.acked.push({ room, eventId, server: person.server.name, sender: person.id, what })
      return
    }
    if (method !== 'PUT' || path.includes('/state/')) return
    await new Promise<void>((resolve) => stage.world.time.after(1_500, resolve))
  }
}

async function changeLevels(stage: Stage, person: Person, room: string, userId: string): Promise<void> {
  const { random } = stage
  const path = `/rooms/${part(room)}/state/m.room.power_levels/`
  const answer = await ask(stage, person, 'GET', path)
  if (answer?.status !== 200) return
  const { users, ...rest } = answer.body as { users?: Record<string, number> }
  const level = random.pick([0, 0, 50, 50, 100])
  await send(stage, person, room, 'PUT', path, { ...rest, users: { ...users, [userId]: level } }, 'power levels')
}
