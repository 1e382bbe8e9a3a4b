import { requiredState } from '../../../../src/protocol/auth/required-state.ts'
import { stateKeyText } from '../../../../src/protocol/auth/state.ts'
import type { RoomEvent } from '../../../../src/protocol/event.ts'
import type { JsonObject } from '../../../../src/protocol/json-types.ts'
import type { RoomVersion } from '../../../../src/protocol/room-version.ts'
import type { ResolutionInput } from '../../../../src/protocol/state-resolution/input.ts'
import type { StateMap } from '../../../../src/protocol/state-resolution/split.ts'
import { resolveState } from '../../../../src/protocol/state-resolution/resolve.ts'
import type { Draft } from '../room-events.ts'
import { creator, makeCreate, makeEvent, versionOf } from '../room-events.ts'

/** A room's events as resolution sees them: row ids, auth edges, interned keys. State maps are values: sending makes new ones. */
export class TestRoom {
  readonly version: RoomVersion
  readonly #events = new Map<number, RoomEvent>()
  readonly #edges = new Map<number, readonly number[]>()
  readonly #keys = new Map<string, number>()
  readonly rejected = new Set<number>()
  readonly create: number
  #ts = 0

  constructor(versionId: string, content: JsonObject = {}) {
    this.version = versionOf(versionId)
    this.create = this.#store(makeCreate(this.version, content), [])
  }

  #store(event: RoomEvent, edges: readonly number[]): number {
    const nid = this.#events.size + 1
    this.#events.set(nid, event)
    this.#edges.set(nid, edges)
    return nid
  }

  key(type: string, stateKey = ''): number {
    const text = stateKeyText(type, stateKey)
    let nid = this.#keys.get(text)
    if (nid === undefined) this.#keys.set(text, (nid = this.#keys.size + 1))
    return nid
  }

  event(nid: number): RoomEvent {
    const event = this.#events.get(nid)
    if (event === undefined) throw new Error(`no event ${nid}`)
    return event
  }

  /** Stores a state event whose auth events are those that the state gives it, or those told. */
  add(state: StateMap, draft: Draft, edges?: readonly number[]): number {
    const ts = ++this.#ts
    const event = makeEvent(this.version, {
      stateKey: '',
      ts,
      depth: ts,
      id: `$${String(ts).padStart(6, '0')}:a.test`,
      ...draft,
    })
    const selected = requiredState(event)
      .map(({ type, stateKey }) => state.get(this.key(type, stateKey)))
      .filter((nid) => nid !== undefined)
    return this.#store(event, edges ?? selected)
  }

  with(state: StateMap, ...nids: number[]): Map<number, number> {
    const next = new Map(state)
    for (const nid of nids) {
      const { type, stateKey = '' } = this.event(nid)
      next.set(this.key(type, stateKey), nid)
    }
    return next
  }

  send(state: StateMap, draft: Draft): Map<number, number> {
    return this.with(state, this.add(state, draft))
  }

  member(state: StateMap, user: string, membership: string, sender = user): Map<number, number> {
    return this.send(state, { type: 'm.room.member', stateKey: user, sender, content: { membership } })
  }

  /** A room with its creator, the usual power levels and this join rule. */
  start(joinRule = 'public', power: JsonObject = {}): Map<number, number> {
    let state = this.with(new Map(), this.create)
    const join = { type: 'm.room.member', stateKey: creator, content: { membership: 'join' }, prev: ['$create:a.test'] }
    state = this.send(state, join)
    const users = this.version.privilegedCreators ? {} : { [creator]: 100 }
    state = this.send(state, { type: 'm.room.power_levels', content: { users, ...power } })
    return this.send(state, { type: 'm.room.join_rules', content: { join_rule: joinRule } })
  }

  input(sets: readonly StateMap[]): ResolutionInput {
    return {
      version: this.version,
      sets,
      create: this.event(this.create),
      authEdges: (nid) => this.#edges.get(nid) ?? [],
      keyOf: (nid) => {
        const { type, stateKey = '' } = this.event(nid)
        return this.key(type, stateKey)
      },
      keyNid: (type, stateKey) => this.#keys.get(stateKeyText(type, stateKey)),
      event: (nid) => this.event(nid),
      isRejected: (nid) => this.rejected.has(nid),
    }
  }

  resolve(...sets: StateMap[]): Map<number, number> {
    return resolveState(this.input(sets))
  }

  at(state: StateMap, type: string, stateKey = ''): number | undefined {
    return state.get(this.key(type, stateKey))
  }
}
