import type { EventId } from '../../../src/protocol/ids.ts'
import { backfill } from '../../../src/rooms/backfill.ts'
import type { Fields } from './pdu.ts'
import { seal } from './pdu.ts'
import { EvilRoom, type Draft } from './room.ts'
import { answers, userOf, type Stage } from './stage.ts'

const at = encodeURIComponent

/** An event as it is offered: any bytes, and the id under which an honest server would know it. */
export interface Offered {
  readonly text: string
  readonly eventId: EventId
}

/** What a door answered, where it is a request to us, and what came along with the event and has to be stored. */
export interface Passed {
  readonly status?: number
  readonly answer?: string
  readonly neighbours?: readonly EventId[]
}

/** One offer's ground: the room, and the honest event that this door is for. */
export interface Ground {
  readonly room: EvilRoom
  readonly draft: Draft
  offer(offered: Offered): Promise<Passed>
}

/** Rooms that all offers of a table share, because nothing that they offer changes them. */
export interface Rooms {
  readonly version: string
  /** public, alice is in it */
  readonly open: EvilRoom
  /** another one like it */
  readonly other: EvilRoom
  /** may be knocked at; undefined where the version has no knocks */
  readonly knock: EvilRoom | undefined
}

/** `timeline`: events of the timeline; `state`: outliers; `handshake` and `invite`: an answer tells what became of it. */
export type DoorKind = 'timeline' | 'state' | 'handshake' | 'invite'

/** A way by which an event of the hostile server comes in. */
export interface Door {
  readonly name: string
  readonly kind: DoorKind
  open(stage: Stage, rooms: Rooms): Promise<Ground> | Ground
}

let users = 0
const newUser = () => userOf(`zed${++users}`)
const message: Draft = { type: 'm.room.message', content: { msgtype: 'm.text', body: 'x' } }

function joinOf(user = newUser()): Draft {
  return { type: 'm.room.member', sender: user, stateKey: user, content: { membership: 'join' } }
}

/** An honest message that names this event as the one before it, or as an auth event. */
function follower(room: EvilRoom, more: Fields) {
  return room.read(seal(room.version, room.fields({ ...message, more })))
}

function reference(room: EvilRoom, eventId: EventId) {
  return room.version.eventIdFormat === 'origin' ? [eventId, { sha256: 'A'.repeat(43) }] : eventId
}

const stateText = (room: EvilRoom) => [...room.state.values()].map(({ text }) => text)

const send: Door = {
  name: '/send',
  kind: 'timeline',
  open: (stage, { open: room }) => ({
    room,
    draft: message,
    async offer({ text }) {
      const good = room.build(message)
      const { status, text: answer } = await stage.send([text, good.text, text])
      return { status, answer, neighbours: [good.eventId] }
    },
  }),
}

const missingEvents: Door = {
  name: 'get_missing_events answered',
  kind: 'timeline',
  open: (stage, { open: room }) => ({
    room,
    draft: message,
    async offer({ text, eventId }) {
      const tip = follower(room, { prev_events: [reference(room, eventId)], depth: 90 })
      const state = `{"pdus":[${stateText(room).join()}],"auth_chain":[]}`
      const given = answers({ get_missing_events: () => `{"events":[${text}]}`, state: () => state })
      const good = room.build(message)
      const { status, text: answer } = await stage.while(given, () => stage.send([tip.text, good.text]))
      return { status, answer, neighbours: [good.eventId] }
    },
  }),
}

/** A state answered across a gap, with the event in it or in its auth chain. */
function stateDoor(where: 'pdus' | 'auth_chain'): Door {
  return {
    name: `state answered, ${where}`,
    kind: 'state',
    open: (stage, { open: room }) => ({
      room,
      draft: joinOf(),
      async offer({ text }) {
        const unknown: EventId = `$${String(++users).padStart(43, 'g')}`
        const tip = follower(room, { prev_events: [reference(room, unknown)], depth: 90 })
        const pdus = [...stateText(room), ...(where === 'pdus' ? [text] : [])]
        const chain = where === 'pdus' ? [] : [text]
        const given = answers({
          get_missing_events: () => '{"events":[]}',
          state: () => `{"pdus":[${pdus.join()}],"auth_chain":[${chain.join()}]}`,
        })
        const { status, text: answer } = await stage.while(given, () => stage.send([tip.text]))
        return { status, answer, neighbours: [tip.eventId] }
      },
    }),
  }
}

/** An event that others name as an auth event, answered to `event_auth` or to `event`. */
function authDoor(name: 'event_auth' | 'event'): Door {
  return {
    name: `${name} answered`,
    kind: 'state',
    open: (stage, { open: room }) => ({
      room,
      draft: { type: 'm.room.member', stateKey: room.creator, content: { membership: 'join' } },
      async offer({ text, eventId }) {
        const honest = room.authFor('m.room.message', room.creator).filter(({ type }) => type !== 'm.room.member')
        const named = honest.map((event) => reference(room, event.eventId))
        const asker = follower(room, { auth_events: [...named, reference(room, eventId)] })
        const given = answers({
          event_auth: () => `{"auth_chain":[${name === 'event_auth' ? text : ''}]}`,
          event: () => `{"pdus":[${text}]}`,
        })
        const { status, text: answer } = await stage.while(given, () => stage.send([asker.text]))
        return { status, answer }
      },
    }),
  }
}

/** History of a room that alice has just joined: the event before her join is the one offered, or one whose state holds it. */
function historyDoor(name: string, kind: 'timeline' | 'state'): Door {
  return {
    name,
    kind,
    open(stage, { version }) {
      const room = new EvilRoom(stage.evil, { version })
      room.add(message)
      const ids = room.stateIds()
      return {
        room,
        draft: kind === 'timeline' ? message : joinOf(),
        async offer({ text, eventId }) {
          const last = kind === 'timeline' ? { text, eventId } : room.build(message)
          const extra = kind === 'timeline' ? [] : [eventId]
          await stage.join(room, { prev: [reference(room, last.eventId)] })
          const join = room.newest.eventId
          const given = answers({
            backfill: () => `{"origin":"evil.test","origin_server_ts":1,"pdus":[${last.text}]}`,
            state_ids: () => JSON.stringify({ pdu_ids: [...ids, ...extra], auth_chain_ids: [] }),
            event: () => `{"pdus":[${text}]}`,
          })
          const { deps } = stage.server.composed
          const ours = await stage.server.room(room.id)
          await stage.while(given, () => backfill(deps, ours, { limit: 10, deadlineMs: 5000 }))
          return { neighbours: kind === 'timeline' ? [join] : [join, last.eventId] }
        },
      }
    },
  }
}

/** The answer to our own join. */
function joinDoor(where: 'state' | 'auth_chain'): Door {
  return {
    name: `send_join answered, ${where}`,
    kind: 'state',
    open(stage, { version }) {
      const room = new EvilRoom(stage.evil, { version })
      return {
        room,
        draft: joinOf(),
        async offer({ text }) {
          const texts = stateText(room)
          const of = (name: string) => `"${name}":[${[...texts, ...(name === where ? [text] : [])].join()}]`
          const { status } = await stage.join(room, { sendJoin: () => `{${of('state')},${of('auth_chain')}}` })
          return { status, neighbours: [...texts.keys()].map((i) => room.events[i]?.eventId as EventId) }
        },
      }
    },
  }
}

function handshakeDoor(kind: 'join' | 'leave' | 'knock', endpoint: 'v1' | 'v2'): Door {
  return {
    name: `send_${kind} ${endpoint}`,
    kind: 'handshake',
    async open(stage, { open, knock }) {
      const room = kind === 'knock' ? (knock as EvilRoom) : open
      const user = newUser()
      const draft: Draft = { type: 'm.room.member', sender: user, stateKey: user, content: { membership: kind } }
      const ground = kind === 'leave' ? await leaving(stage, room, draft) : draft
      return {
        room,
        draft: ground,
        async offer({ text, eventId }) {
          const target = `/_matrix/federation/${endpoint}/send_${kind}/${at(room.id)}/${at(eventId)}`
          const { status, text: answer } = await stage.request('PUT', target, text)
          return { status, answer }
        },
      }
    },
  }
}

/** Somebody can leave only after they have joined. */
async function leaving(stage: Stage, room: EvilRoom, draft: Draft): Promise<Draft> {
  const join = room.build(joinOf(draft.sender))
  await stage.send([join.text])
  const auth = room.authFor('m.room.message', room.creator).filter(({ type }) => type !== 'm.room.member')
  return { ...draft, prev: [join], auth: [...auth, join] }
}

function inviteDoor(endpoint: 'v1' | 'v2'): Door {
  return {
    name: `invite ${endpoint}`,
    kind: 'invite',
    open(stage, { version }) {
      const room = new EvilRoom(stage.evil, { version: endpoint === 'v1' ? '1' : version })
      return {
        room,
        draft: { type: 'm.room.member', stateKey: stage.alice.id, content: { membership: 'invite' } },
        async offer({ text, eventId }) {
          const target = `/_matrix/federation/${endpoint}/invite/${at(room.id)}/${at(eventId)}`
          const state = `"invite_room_state":[${room.create.text}]`
          const body = endpoint === 'v1' ? text : `{"room_version":"${version}","event":${text},${state}}`
          const { status, text: answer } = await stage.request('PUT', target, body)
          return { status, answer }
        },
      }
    },
  }
}

/** Every door by which an event comes in. */
export const doors: readonly Door[] = [
  send,
  missingEvents,
  historyDoor('backfill answered', 'timeline'),
  historyDoor('state_ids and event answered', 'state'),
  stateDoor('pdus'),
  stateDoor('auth_chain'),
  authDoor('event_auth'),
  authDoor('event'),
  joinDoor('state'),
  joinDoor('auth_chain'),
  handshakeDoor('join', 'v1'),
  handshakeDoor('join', 'v2'),
  handshakeDoor('leave', 'v1'),
  handshakeDoor('leave', 'v2'),
  handshakeDoor('knock', 'v1'),
  inviteDoor('v1'),
  inviteDoor('v2'),
]
