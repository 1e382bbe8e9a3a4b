import type { EventId, UserId } from '../../../src/protocol/ids.ts'
import type { RoomEvent } from '../../../src/protocol/event.ts'
import { canonicalJson } from '../../../src/protocol/canonical-json.ts'
import { parseJsonObject } from '../../../src/protocol/json.ts'
import type { Json, JsonObject } from '../../../src/protocol/json-types.ts'
import { cosignEvent, signEvent } from '../../../src/protocol/sign.ts'
import { referenceTo, testKey } from '../engine.ts'
import { changeSigned } from './changes.ts'
import { isImpossible, literalId, type Expected } from './expectation.ts'
import { forge, type Forged, type Material } from './forgeries.ts'
import { memberOf, readLiteral, textOf, type LitObject } from './literal-json.ts'
import type { Fields } from './pdu.ts'
import type { Seeded } from '../seeded.ts'
import type { Draft, EvilRoom } from './room.ts'
import { them, userOf, type Stage } from './stage.ts'

/** A PDU as it is sent, and what has to become of it. */
export interface Sent {
  readonly text: string
  readonly lit: LitObject
  readonly eventId: EventId
  readonly expected: Expected
  readonly note: string
  /** nobody can tell under which id it is refused */
  readonly isNameless: boolean
}

/** What others name as the event before them. */
type Leaf = Pick<RoomEvent, 'eventId' | 'depth' | 'pdu'>

const mostLeaves = 20
const kept = 60

/**
 * A room in which a member without power sends valid events and mutants of them. Every event names those that are
 * expected to be the newest, so that a mutant judged wrongly takes those behind it along.
 */
export class MutantRoom {
  readonly room: EvilRoom
  readonly #number: number
  readonly #random: Seeded
  readonly #elsewhere: string
  #leaves: Leaf[]
  #history: Leaf[]
  #count = 0

  private constructor(room: EvilRoom, elsewhere: string, random: Seeded) {
    this.room = room
    this.#number = Number(room.version.id)
    this.#random = random
    this.#elsewhere = elsewhere
    this.#leaves = [room.newest]
    this.#history = [room.newest]
  }

  static async start(stage: Stage, version: string, random: Seeded): Promise<MutantRoom> {
    const powerLevels = { events: { 'org.doors.open': 0 } }
    const room = await stage.room({ version, powerLevels })
    const elsewhere = await stage.room({ version })
    await stage.send([room.add({ ...member, content: { membership: 'join' } }).text])
    return new MutantRoom(room, elsewhere.id, random)
  }

  get newest(): readonly EventId[] {
    return this.#leaves.map(({ eventId }) => eventId)
  }

  /** A valid event. */
  neighbour(): Sent {
    return this.#take(this.#sealed(this.#base()), 'whole', 'a neighbour')
  }

  /** A mutant of a valid event. */
  mutant(): Sent {
    const random = this.#random
    if (random.chance(1 / 2)) {
      const base = readLiteral(this.#sealed(this.#base())) as LitObject
      const { text, expected, note } = changeSigned(random, this.#number, base, them)
      return this.#take(text, expected, `changed: ${note}`)
    }
    const forged = forge(this.#material())
    if (forged.expected === 'whole' && forged.literal === undefined && random.chance(1 / 6))
      return this.#badlySealed(forged)
    const text = this.#sealed(forged.fields, forged.literal)
    const lit = readLiteral(text) as LitObject
    const any = isImpossible(this.#number, lit) ? 'refused' : 'whole'
    return this.#take(text, forged.expected === 'either' ? any : forged.expected, `forged: ${forged.note}`, forged)
  }

  #badlySealed(forged: Forged): Sent {
    const { version } = this.room
    if (this.#random.chance(1 / 2)) {
      const pdu = signEvent(version, forged.fields as JsonObject, them, testKey('third.test'))
      return this.#take(canonicalJson(pdu), 'refused', `wrong key: ${forged.note}`)
    }
    const stale = { ...forged.fields, hashes: { sha256: 'A'.repeat(43) } } as JsonObject
    const text = canonicalJson(cosignEvent(version, stale, them, testKey(them)))
    return this.#take(text, 'pruned', `wrong hash: ${forged.note}`, forged)
  }

  #sealed(fields: Fields, literal?: string): string {
    const text = JSON.stringify(fields)
    const value =
      literal === undefined
        ? (fields as JsonObject)
        : parseJsonObject(
            text.replace('"@odd@"', () => literal),
            { mode: 'spelled' },
          )
    return canonicalJson(signEvent(this.room.version, value, them, testKey(them)))
  }

  #take(
    text: string,
    expected: Expected,
    note: string,
    { isFork = false, isNameless = false }: Partial<Forged> = {},
  ): Sent {
    const lit = readLiteral(text) as LitObject
    const eventId = literalId(this.#number, lit) as EventId
    if (expected === 'whole' || expected === 'pruned') this.#accept(text, eventId, isFork)
    // what is impossible as an event has no id of which the specification tells
    const isUnknown =
      isImpossible(this.#number, lit) ||
      textOf(memberOf(lit, 'room_id')) !== this.room.id ||
      (this.#number < 3 && !/^\$.*:./.test(eventId))
    return { text, lit, eventId, expected, note, isNameless: isNameless || isUnknown }
  }

  #accept(text: string, eventId: EventId, isFork: boolean): void {
    const depth = Math.max(...this.#leaves.map((leaf) => leaf.depth)) + 1
    const leaf: Leaf = { eventId, depth, pdu: parseJsonObject(text, { mode: 'spelled' }) }
    // an older event that was picked may be one of the newest
    const named = JSON.stringify(leaf.pdu.prev_events)
    const others = this.#leaves.filter((other) => !named.includes(JSON.stringify(other.eventId)))
    this.#leaves = isFork ? [...others, leaf] : [leaf]
    this.#history = [...this.#history, leaf].slice(-kept)
  }

  /** The fields of a valid event of one of several kinds. */
  #base(): Fields {
    const random = this.#random
    const about = random.pick(this.#history).eventId
    const relation = { 'm.relates_to': { rel_type: 'm.thread', event_id: about, is_falling_back: true } }
    const html = {
      format: 'org.matrix.custom.html',
      formatted_body: '<b>hello</b>',
      info: { w: 5, h: [1, 2, { x: null }] },
    }
    switch (random.below(this.#number < 3 ? 5 : 6)) {
      case 0:
        return this.#message(random.chance(1 / 2) ? relation : html)
      case 1:
        return this.#fields({
          type: 'm.reaction',
          content: { 'm.relates_to': { rel_type: 'm.annotation', event_id: about, key: 'x' } },
        })
      case 2:
        return this.#fields({ type: 'org.doors.open', stateKey: random.pick(['', 'a', 'b']), content: { open: true } })
      case 3:
        return this.#fields({ ...member, content: { membership: 'join', displayname: random.text(6) } })
      case 4:
        return this.#fields({
          type: 'm.room.encrypted',
          content: { algorithm: 'm.megolm.v1.aes-sha2', ciphertext: random.text(200) },
        })
      default: {
        const redacts = { redacts: about }
        const isInside = this.#number >= 11
        return this.#fields({
          type: 'm.room.redaction',
          content: isInside ? redacts : {},
          more: isInside ? {} : redacts,
        })
      }
    }
  }

  #message(more: JsonObject = {}): Fields {
    return this.#fields({ type: 'm.room.message', content: { msgtype: 'm.text', body: 'hello', ...more } })
  }

  #fields(draft: Draft): Fields {
    const prev = this.#leaves.slice(-mostLeaves) as RoomEvent[]
    const depth = Math.min(Number.MAX_SAFE_INTEGER, Math.max(...prev.map((leaf) => leaf.depth)) + 1)
    // no two of them are the same event, also within one millisecond
    const content = { ...draft.content, n: ++this.#count }
    return this.room.fields({ ...draft, content, sender: weak, prev, more: { depth, ...draft.more } })
  }

  #material(): Material {
    const { version, creator } = this.room
    const random = this.#random
    const older = random.pick(this.#history)
    const leaf = this.#leaves.at(-1) as Leaf
    const known = new Map([...this.#history, leaf].map((each) => [each.eventId, each]))
    return {
      random,
      version,
      number: this.#number,
      message: (more = {}) => ({ ...this.#message(), ...more }),
      state: (stateKey, more = {}) => this.#fields({ type: 'org.doors.open', stateKey, content: { n: 1 }, more }),
      member: (content, more = {}) => this.#fields({ ...member, content, more }),
      user: weak,
      creator,
      stranger: '@stranger:third.test' as UserId,
      reference: (eventId): Json => {
        const found = known.get(eventId) ?? [...this.room.state.values()].find((each) => each.eventId === eventId)
        if (found !== undefined) return referenceTo(version, found as RoomEvent)
        return version.eventIdFormat === 'origin' ? [eventId, { sha256: 'A'.repeat(43) }] : eventId
      },
      stateId: (type) => this.room.stateEvent(type).eventId,
      older: older.eventId,
      elsewhere: this.#elsewhere,
    }
  }
}

const weak = userOf('weak')
const member: Draft = { type: 'm.room.member', sender: weak, stateKey: weak, content: {} }
