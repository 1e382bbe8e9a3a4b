import { stateOfAuthEvents, withCreate } from './auth.ts'
import { judgeAuthEvents } from './auth-events.ts'
import { judgeInState } from './auth.ts'
import { Dice } from './dice.ts'
import { type OracleEvent, type State, type World, keyOf, own, stateKey } from './event.ts'
import { domainOf } from './identifiers.ts'
import { creator, randomAuthEvents, randomCreate, randomSaying, type Saying } from './random-event.ts'
import { randomLevels } from './random-levels.ts'
import { users } from './random-event.ts'
import { settled } from './reading.ts'
import { resolve } from './resolve.ts'
import type { Verdict } from './verdict.ts'

/** Two judges of the same rooms: what the oracle finds is handed over, and the other's opinion compared with it. */
export interface Witness {
  onAuthEvents(world: World, event: OracleEvent, verdict: Verdict | undefined): void
  onState(world: World, event: OracleEvent, state: State, verdict: Verdict): void
  onResolution(world: World, states: readonly State[], resolved: State): void
}

const ordinals = 'zAbYcXdWeVfUgThSiRjQ-_'

/** A room that grows at random; whatever is judged or resolved on the way is shown to the witness. */
export class RandomRoom {
  readonly world: World
  readonly #version: number
  readonly #witness: Witness
  readonly #events = new Map<string, OracleEvent>()
  readonly #rejected = new Set<string>()
  readonly #unsigned = new Set<string>()
  readonly #after = new Map<string, State>()
  /** Passed the rules by their own auth events: what may stand in somebody's state. */
  readonly #plausible: OracleEvent[] = []
  readonly #roomId: string

  constructor(version: number, seed: number, witness: Witness) {
    this.#version = version
    this.#witness = witness
    this.world = {
      version,
      reading: settled,
      events: this.#events,
      rejected: this.#rejected,
      isSignedBy: (event, server) => !this.#unsigned.has(`${event.event_id} ${server}`),
    }
    const dice = new Dice(seed)
    this.#roomId = version >= 12 ? '!create' : '!room:a.test'
    this.#create(dice)
    this.#start(dice)
  }

  #create(dice: Dice): void {
    const roomId = this.#version >= 12 ? {} : { room_id: this.#roomId }
    const place = { auth_events: [], prev_events: [], depth: 1, origin_server_ts: 0 }
    this.#judge({ ...randomCreate(this.#version, dice, false), ...roomId, ...place, event_id: this.#id(0, 'create') })
    if (!dice.chance(30)) return
    // A second one, mostly malformed, of another room; of this one it would be another create event before version 12.
    const bad = randomCreate(this.#version, dice, dice.chance(60))
    const other =
      this.#version >= 12
        ? dice.chance(30)
          ? { room_id: '!create' }
          : {}
        : { room_id: dice.of(['!other:a.test', '!other:a.test', '!other:b.test']) }
    const prev_events = dice.chance(15) ? [this.#id(0, 'create')] : []
    this.#judge({ ...bad, ...other, ...place, prev_events, event_id: this.#id(1, 'second') })
  }

  /** The creator joins, power levels and join rules are set; each of them may be missing. */
  #start(dice: Dice): void {
    const join = { type: 'm.room.member', sender: creator, state_key: creator, content: { membership: 'join' } }
    const create = this.#id(0, 'create')
    this.#send(dice, join, [create], this.#after.get(create) ?? new Map(), false)
    const helpers = { '@mod:a.test': dice.of([50, 75, 100]), '@bob:b.test': dice.of([0, 25, 50]) }
    const extra = dice.of([
      {},
      {},
      { invite: 50 },
      { ban: 75, kick: 25 },
      { notifications: { room: 75 }, events_default: 25 },
      { events: { 'x.custom': 75, 'm.room.name': 100, 'm.room.power_levels': 25 } },
    ])
    const present = { users: this.#version >= 12 ? helpers : { [creator]: 100, ...helpers }, ...extra }
    if (dice.chance(85)) {
      const content = dice.chance(50) ? present : randomLevels(this.#version, dice, users, present)
      this.#follow(dice, { type: 'm.room.power_levels', sender: creator, state_key: '', content })
    }
    if (dice.chance(85)) {
      const content = { join_rule: dice.of(['public', 'public', 'invite', this.#version >= 7 ? 'knock' : 'public']) }
      this.#follow(dice, { type: 'm.room.join_rules', sender: creator, state_key: '', content })
    }
    for (const user of users.slice(1, 4)) {
      if (dice.chance(75)) this.#follow(dice, { ...join, sender: user, state_key: user })
    }
  }

  /** One more event, somewhere in the graph. */
  step(seed: number): void {
    const dice = new Dice(seed)
    const ids = [...this.#after.keys()]
    const kind = dice.roll(100)
    const last = ids.at(-1) ?? ''
    const prev = kind < 55 ? [last] : kind < 72 ? [dice.of(ids)] : this.#several(dice, ids)
    const states = prev.map((id) => this.#after.get(id) ?? new Map())
    const [only, ...others] = states
    const before = only !== undefined && others.length === 0 ? only : this.#resolve(states, this.world)
    const saying = randomSaying(this.#version, dice, before, [...this.#events.keys()])
    this.#send(dice, saying, prev, before, true)
  }

  /** Two to five states from anywhere in the room, with entries that are old, refused or missing in them. */
  resolveAnything(seed: number): void {
    const dice = new Dice(seed)
    const states = this.#several(dice, [...this.#after.keys()]).map((id) =>
      this.#tamper(dice, this.#after.get(id) ?? new Map()),
    )
    const rejected = new Set(
      dice.chance(80) ? this.#rejected : this.#plausible.filter(() => dice.chance(15)).map((one) => one.event_id),
    )
    rejected.delete(this.#id(0, 'create'))
    this.#resolve(states, { ...this.world, rejected })
  }

  #several(dice: Dice, ids: readonly string[]): string[] {
    const late = ids.slice(2)
    const from = late.length > 1 ? late : ids
    return [...new Set(Array.from({ length: 2 + dice.roll(4) }, () => dice.of(from)))]
  }

  #tamper(dice: Dice, state: State): State {
    const changed: State = new Map(state)
    for (let changes = dice.chance(50) ? 1 + dice.roll(3) : 0; changes > 0; changes--) {
      const event = dice.of(this.#plausible)
      if (event.type === 'm.room.create' || event.state_key === undefined) continue
      if (dice.chance(75)) changed.set(keyOf(event), event)
      else changed.delete(keyOf(event))
    }
    return changed
  }

  #resolve(states: readonly State[], world: World): State {
    const resolved = resolve(world, states)
    this.#witness.onResolution(world, states, resolved)
    return resolved
  }

  #follow(dice: Dice, saying: Saying): void {
    const last = [...this.#after.keys()].at(-1) ?? ''
    this.#send(dice, saying, [last], this.#after.get(last) ?? new Map(), false)
  }

  #send(dice: Dice, saying: Saying, prev: readonly string[], before: State, mayErr: boolean): void {
    const all = [...this.#events.values()]
    const auth = mayErr
      ? randomAuthEvents(this.#version, dice, saying, before, all)
      : randomAuthEvents(this.#version, new Dice(0), saying, before, all)
    const depths = prev.map((id) => this.#events.get(id)?.depth ?? 0)
    const event_id = this.#id(dice.roll(ordinals.length), String(all.length), dice.chance(90) ? saying.sender : creator)
    const room = mayErr && dice.chance(1) ? '!second' : this.#roomId
    const event: OracleEvent = {
      ...saying,
      event_id,
      room_id: this.#version >= 12 ? room : this.#roomId,
      auth_events: auth,
      prev_events: mayErr && dice.chance(2) ? [this.#id(0, 'create')] : prev,
      depth: dice.chance(80) ? Math.max(...depths) + 1 : 1 + dice.roll(8),
      origin_server_ts: dice.roll(6),
    }
    const authoriser = own(saying.content, 'join_authorised_via_users_server')
    // Before version 8 no rule asks for it, and an event without its sender's own signature is not judged at all.
    const server = typeof authoriser === 'string' ? domainOf(authoriser) : undefined
    if (this.#version >= 8 && server !== domainOf(saying.sender) && dice.chance(10))
      this.#unsigned.add(`${event_id} ${server}`)
    this.#judge(event, before)
  }

  #judge(event: OracleEvent, before: State = new Map()): void {
    const { world } = this
    this.#events.set(event.event_id, event)
    const wrong = event.type === 'm.room.create' ? undefined : judgeAuthEvents(world, event)
    if (event.type !== 'm.room.create') this.#witness.onAuthEvents(world, event, wrong)
    const byAuthEvents = this.#judgeIn(event, stateOfAuthEvents(world, event))
    const byState = this.#judgeIn(event, withCreate(world, event, before))
    const passesAuth = wrong === undefined && byAuthEvents.allowed
    const isOurs = event.room_id === this.#roomId || event.event_id === this.#id(0, 'create')
    const isForeign = !isOurs && event.type !== 'm.room.create'
    if (!passesAuth || !byState.allowed || isForeign) this.#rejected.add(event.event_id)
    if (passesAuth && isOurs) this.#plausible.push(event)
    if (event.type === 'm.room.create' && event.event_id !== this.#id(0, 'create')) return
    const after = new Map(before)
    if (event.state_key !== undefined && !this.#rejected.has(event.event_id)) after.set(keyOf(event), event)
    this.#after.set(event.event_id, after)
  }

  #judgeIn(event: OracleEvent, state: State): Verdict {
    const verdict = judgeInState(this.world, event, state)
    // A state with another room's create event is none; rule 2 has refused its event.
    const create = state.get(stateKey('m.room.create', ''))
    const isPossible = event.type === 'm.room.create' || (create !== undefined && this.#isOf(event, create))
    if (isPossible) this.#witness.onState(this.world, event, state, verdict)
    return verdict
  }

  #isOf(event: OracleEvent, create: OracleEvent): boolean {
    return create.room_id === undefined
      ? event.room_id === `!${create.event_id.slice(1)}`
      : event.room_id === create.room_id
  }

  #id(ordinal: number, name: string, sender: string = creator): string {
    if (name === 'create' || name === 'second') return this.#version <= 2 ? `$${name}:a.test` : `$${name}`
    const opaque = `$${ordinals.charAt(ordinal)}${name}`
    return this.#version <= 2 ? `${opaque}:${domainOf(sender)}` : opaque
  }
}
