import { MatrixError } from '../protocol/errors.ts'
import { room as roomLock, user as userLock } from '../store/locks.ts'
import { withRetries } from '../store/retries.ts'
import type { RoomsDeps } from './deps.ts'
import { sendTogether } from './send-together.ts'
import type { Outcome, TogetherDeps } from './send-together.ts'
import type { QueuedDraft, Sent } from './draft.ts'

type Deps = TogetherDeps & Pick<RoomsDeps, 'database'>

interface Waiting {
  readonly message: QueuedDraft
  readonly resolve: (sent: Sent | undefined) => void
  readonly reject: (error: unknown) => void
  /** the same request, come again before the first one was taken */
  readonly same: Waiting[]
}

/** What one write takes: it keeps the event loop for some ms. */
const mostTogether = 64
const mostTries = 5

/** Messages that wait for the next write, which takes all of them that are there when it begins. */
export class MessageQueue {
  readonly #deps: () => Deps
  readonly #waiting: Waiting[] = []
  #isQueued = false

  /** `deps` is asked at each write. */
  constructor(deps: () => Deps) {
    this.#deps = deps
  }

  /**
   * Sends a message together with others; undefined: it was not sent, and has to be sent by itself. Throws why it is
   * refused, and why the database cannot write.
   */
  send(message: QueuedDraft): Promise<Sent | undefined> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ message, resolve, reject, same: [] })
      this.#queue()
    })
  }

  #queue(): void {
    if (this.#isQueued) return
    this.#isQueued = true
    void this.#write()
  }

  async #write(): Promise<void> {
    const deps = this.#deps()
    let taken: readonly Waiting[] | undefined
    const run = () => (taken ??= this.#take())
    const locks = () => locksOf(run())
    try {
      const outcomes = await withRetries(mostTries, () =>
        deps.database.write(
          (tx) =>
            sendTogether(
              tx,
              deps,
              run().map(({ message }) => message),
            ),
          { locks },
        ),
      )
      for (const [i, waiting] of run().entries()) settle(waiting, outcomes[i])
    } catch (error) {
      // one of several may be the reason: each is tried by itself, unless none can be written
      const isOfAll = error instanceof MatrixError || run().length === 1
      for (const waiting of run()) settle(waiting, isOfAll ? { error } : { apart: true })
    }
  }

  #take(): readonly Waiting[] {
    this.#isQueued = false
    const taken = new Map<string | Waiting, Waiting>()
    while (taken.size < mostTogether) {
      const waiting = this.#waiting.shift()
      if (waiting === undefined) return [...taken.values()]
      const name = nameOf(waiting.message) ?? waiting
      // the same request once more: it gets what becomes of the first
      const first = taken.get(name)
      if (first === undefined) taken.set(name, waiting)
      else first.same.push(waiting)
    }
    if (this.#waiting.length > 0) this.#queue()
    return [...taken.values()]
  }
}

/** What makes a request the same as another, undefined where the client does not say. */
function nameOf({ key, roomNid, draft }: QueuedDraft): string | undefined {
  return key && JSON.stringify([key.userNid, key.deviceId, key.txnId, roomNid, draft.type])
}

function settle(waiting: Waiting, outcome: Outcome | undefined): void {
  for (const { resolve, reject } of [waiting, ...waiting.same]) {
    if (outcome === undefined) reject(new Error('nothing became of a message'))
    else if ('sent' in outcome) resolve(outcome.sent)
    else if ('error' in outcome) reject(outcome.error)
    else resolve(undefined)
  }
}

function locksOf(run: readonly Waiting[]) {
  const users = new Set(run.map(({ message }) => message.userNid))
  const rooms = new Set(run.map(({ message }) => message.roomNid))
  return [...[...users].map(userLock), ...[...rooms].map(roomLock)]
}
