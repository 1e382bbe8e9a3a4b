import type { Fields, OracleEvent, State } from './event.ts'
import { keyOf } from './event.ts'

/** One of the two graphs of MSC4297 in which version 2 of the algorithm resets state. */
export interface ResetGraph {
  readonly events: readonly OracleEvent[]
  readonly states: readonly State[]
  readonly of: (name: string) => OracleEvent
}

/** Writes down a room's state events, each with the names of its auth events beyond the create event. */
class Writer {
  readonly #version: number
  readonly #events = new Map<string, OracleEvent>()

  constructor(version: number) {
    this.#version = version
    const content = { room_version: String(version), creator: '@alice:a.test' }
    this.#put({ event_id: '$create', type: 'm.room.create', sender: '@alice:a.test', state_key: '', content }, [])
  }

  add(name: string, user: string, type: string, state_key: string, content: Fields, auth: readonly string[]): void {
    const implied = this.#version >= 12 ? [] : ['create']
    this.#put({ event_id: `$${name}`, type, sender: user, state_key, content }, [...implied, ...auth])
  }

  join(name: string, user: string, auth: readonly string[], displayname = 'x'): void {
    this.add(name, user, 'm.room.member', user, { membership: 'join', displayname }, auth)
  }

  #put(
    event: Pick<OracleEvent, 'event_id' | 'type' | 'sender' | 'state_key' | 'content'>,
    auth: readonly string[],
  ): void {
    const at = this.#events.size + 1
    const room_id = this.#version >= 12 ? '!create' : '!room:a.test'
    const isCreateOf12 = this.#version >= 12 && event.type === 'm.room.create'
    const last = [...this.#events.keys()].at(-1)
    this.#events.set(event.event_id, {
      ...event,
      ...(isCreateOf12 ? {} : { room_id }),
      auth_events: auth.map((name) => `$${name}`),
      prev_events: last === undefined ? [] : [last],
      depth: at,
      origin_server_ts: at,
    })
  }

  /** The graph with the states that consist of the named events. */
  graph(...states: readonly (readonly string[])[]): ResetGraph {
    const of = (name: string): OracleEvent => {
      const event = this.#events.get(`$${name}`)
      if (event === undefined) throw new Error(`no event ${name}`)
      return event
    }
    const maps = states.map((names) => new Map(names.map(of).map((event) => [keyOf(event), event])))
    return { events: [...this.#events.values()], states: maps, of }
  }
}

const [alice, bob, charlie, eve, zara] = ['alice', 'bob', 'charlie', 'eve', 'zara'].map(
  (name) => `@${name}:a.test`,
) as [string, string, string, string, string]

/** The creator is not to be listed in version 12, where she has all power anyhow. */
function powers(version: number, users: Fields): Fields {
  return { users: version >= 12 ? users : { [alice]: 100, ...users } }
}

/** "Problem A": both join rules are in conflict, and who set them has left on both forks. */
export function problemA(version: number): ResetGraph {
  const room = new Writer(version)
  room.join('alice', alice, [])
  room.add('levels', alice, 'm.room.power_levels', '', powers(version, {}), ['alice'])
  room.add('public', alice, 'm.room.join_rules', '', { join_rule: 'public' }, ['alice', 'levels'])
  room.join('bob', bob, ['levels', 'public'])
  room.join('charlie', charlie, ['levels', 'public'])
  room.add('invite', alice, 'm.room.join_rules', '', { join_rule: 'invite' }, ['alice', 'levels'])
  room.add('left', alice, 'm.room.member', alice, { membership: 'leave' }, ['alice', 'levels'])
  room.join('bob2', bob, ['bob', 'levels', 'invite'], 'Bob')
  room.join('charlie2', charlie, ['charlie', 'levels', 'invite'], 'Charlie')
  return room.graph(
    ['create', 'levels', 'left', 'invite', 'bob2', 'charlie'],
    ['create', 'levels', 'left', 'public', 'bob', 'charlie2'],
  )
}

/** "Problem B": old power levels against new ones, and what leads from the one to the other is in no fork's state. */
export function problemB(version: number): ResetGraph {
  const room = new Writer(version)
  room.join('alice', alice, [])
  room.add('levels', alice, 'm.room.power_levels', '', powers(version, {}), ['alice'])
  room.add('public', alice, 'm.room.join_rules', '', { join_rule: 'public' }, ['alice', 'levels'])
  room.join('bob', bob, ['levels', 'public'])
  room.join('charlie', charlie, ['levels', 'public'])
  room.add('levels2', alice, 'm.room.power_levels', '', powers(version, { [bob]: 50 }), ['alice', 'levels'])
  const three = powers(version, { [bob]: 50, [charlie]: 50 })
  room.add('levels3', bob, 'm.room.power_levels', '', three, ['bob', 'levels2'])
  room.join('eve', eve, ['levels3', 'public'])
  room.join('zara', zara, ['levels3', 'public'])
  room.join('eve2', eve, ['eve', 'levels3', 'public'], 'Eve')
  const both = ['create', 'alice', 'public', 'bob', 'charlie']
  return room.graph([...both, 'levels', 'eve2'], [...both, 'levels3', 'zara'])
}
