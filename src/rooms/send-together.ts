import { MatrixError } from '../protocol/errors.ts'
import type { UnsignedEvent } from '../protocol/seal-event.ts'
import type { Tx } from '../store/database.ts'
import { insertEventTransactions } from '../store/event-transactions.ts'
import { listSendFacts } from '../store/send-facts.ts'
import type { SendFacts } from '../store/send-facts.ts'
import { nextTurn } from '../util/next-turn.ts'
import { appendMessages } from './append-messages.ts'
import type { AppendDeps } from './append.ts'
import type { BuildDeps } from './build.ts'
import { buildUnsigned } from './build.ts'
import type { RoomsDeps } from './deps.ts'
import type { QueuedDraft, Sent } from './draft.ts'
import type { Room } from './room.ts'
import { assertIsActive, noAccount } from './sender.ts'
import { sentBefore } from './sent-before.ts'

export type TogetherDeps = AppendDeps & BuildDeps & Pick<RoomsDeps, 'failpoint' | 'signer'>

/** What became of one: sent, refused, or `apart`, which means that it must be sent by itself. */
export type Outcome = { readonly sent: Sent } | { readonly error: unknown } | { readonly apart: true }

/** So many are built before their signatures are asked for, which are made meanwhile; to ask costs as much as two. */
const signedAtOnce = 16
const longestTurnMs = 8

interface Place {
  readonly message: QueuedDraft
  /** among those asked for */
  readonly index: number
  /** among those built */
  readonly at: number
  readonly event: UnsignedEvent
}

interface RoomRun {
  /** as this write found it */
  readonly room: Room
  /** with the messages that are built already as its newest events */
  ahead: Room
  readonly places: Place[]
}

/**
 * Sends ordinary messages (no state, no redaction, no relation to another event) inside one write, as each would be sent by
 * itself and in this order: what is alike is read and written once for all, and signatures, on which neither ids nor
 * judgements hang, are made together. A message that is refused leaves no trace. Gives what became of each. Throws what
 * concerns them all.
 */
export async function sendTogether(tx: Tx, deps: TogetherDeps, messages: readonly QueuedDraft[]): Promise<Outcome[]> {
  const outcomes = Array.from<Outcome>({ length: messages.length })
  const facts = await listSendFacts(
    tx,
    messages.map(({ roomNid, userNid, key }) => ({
      roomNid,
      userNid,
      deviceId: key?.deviceId ?? '',
      txnId: key?.txnId ?? null,
    })),
  )
  const runs = new Map<number, RoomRun>()
  const signing: Promise<readonly string[]>[] = []
  const unsigned: string[] = []
  let built = 0
  let turnedAt = deps.clock.monotonic()
  const sign = () => signing.push(deps.signer.sign(unsigned.splice(0)))
  for (const [index, message] of messages.entries()) {
    // large ones take long
    if (deps.clock.monotonic() - turnedAt > longestTurnMs) {
      await nextTurn()
      turnedAt = deps.clock.monotonic()
    }
    try {
      const run = await runOf(tx, deps, runs, message, facts[index])
      const made = await prepare(tx, deps, run.ahead, message, facts[index])
      if (!('toSign' in made)) {
        outcomes[index] = made
        continue
      }
      run.ahead = followedBy(run.ahead, made)
      run.places.push({ message, index, at: built++, event: made })
      if (unsigned.push(made.toSign) === signedAtOnce) sign()
    } catch (error) {
      if (!(error instanceof MatrixError)) throw error
      outcomes[index] = { error }
    }
  }
  if (unsigned.length > 0) sign()
  const signatures = (await Promise.all(signing)).flat()
  for (const { room, places } of runs.values()) {
    const events = places.map(({ event, at, message }) => ({
      event: event.signed(signatures[at] as string),
      senderNid: message.userNid,
    }))
    const nids = await appendMessages(tx, deps, room, events)
    for (const [i, { index, event }] of places.entries())
      outcomes[index] = { sent: { eventId: event.event.eventId, eventNid: nids[i] as number } }
  }
  deps.failpoint?.('send:appended')
  await keepTransactions(tx, deps, runs.values(), outcomes)
  return outcomes
}

async function runOf(
  tx: Tx,
  { roomCache }: TogetherDeps,
  runs: Map<number, RoomRun>,
  { roomNid, roomId }: QueuedDraft,
  facts: SendFacts | undefined,
): Promise<RoomRun> {
  let run = runs.get(roomNid)
  if (run === undefined) {
    const room = await roomCache.forWrite(tx, roomId, facts?.revision)
    runs.set(roomNid, (run = { room, ahead: room, places: [] }))
  }
  return run
}

/** The event, judged; or what became of the message instead. Throws why it is refused. */
async function prepare(
  tx: Tx,
  deps: TogetherDeps,
  room: Room,
  { draft, key, userNid }: QueuedDraft,
  facts: SendFacts | undefined,
): Promise<UnsignedEvent | Outcome> {
  // an event that names others by their hashes needs them stored; what comes from somebody erased may have to be pruned
  if (room.version.eventIdFormat === 'origin' || deps.erased.of(userNid) !== undefined) return { apart: true }
  const before = key !== undefined && facts?.isRetry === true ? await sentBefore(tx, room, draft, key) : undefined
  if (before !== undefined) return { sent: before }
  if (facts === undefined) throw noAccount()
  assertIsActive(facts)
  return (await buildUnsigned(tx, deps, room, draft)).event
}

/** The room when this event is its newest, as far as the next one is built from it. */
function followedBy(room: Room, { event: { eventId, depth } }: UnsignedEvent): Room {
  return { ...room, extremities: [{ eventNid: 0, eventId, depth, stateAfter: room.currentGroup }] }
}

async function keepTransactions(
  tx: Tx,
  { clock }: TogetherDeps,
  runs: Iterable<RoomRun>,
  outcomes: readonly Outcome[],
): Promise<void> {
  const createdTs = clock.now()
  const sent = [...runs].flatMap(({ places }) =>
    places.flatMap(({ message: { key }, index }) => {
      const outcome = outcomes[index] as Outcome
      return key === undefined || !('sent' in outcome) ? [] : [{ ...key, eventNid: outcome.sent.eventNid, createdTs }]
    }),
  )
  await insertEventTransactions(tx, sent)
}
