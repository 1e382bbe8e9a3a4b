import { nextTurn } from '../../util/next-turn.ts'
import type { Semaphore } from '../../util/semaphore.ts'
import type { SyncAnswer, SyncRequest } from './request.ts'

/** A request that is to be answered. */
export interface Asked {
  readonly request: SyncRequest
  readonly resolve: (answer: SyncAnswer) => void
  readonly reject: (error: unknown) => void
}

/** Answers some requests together, and gives back those that it has not come to. */
export type AnswerTogether = (batch: readonly Asked[]) => Promise<readonly Asked[]>

/** So many are answered before the event loop has its turn: some hundredths of a millisecond each. */
const mostAtOnce = 250

/**
 * Readers who want what is new, in the order in which they came: those who came in one turn of the event loop are answered
 * together. An event wakes all who wait in its room, and they are ahead of those whose next request comes meanwhile.
 */
export class NewsQueue {
  readonly #turns: Semaphore
  readonly #waiting: Asked[] = []
  #isDue = false

  constructor(turns: Semaphore) {
    this.#turns = turns
  }

  /** The answer to a request, of a moment after the call. */
  ask(request: SyncRequest, answer: AnswerTogether): Promise<SyncAnswer> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ request, resolve, reject })
      this.#goOn(answer)
    })
  }

  #goOn(answer: AnswerTogether): void {
    if (this.#isDue || this.#waiting.length === 0) return
    this.#isDue = true
    void nextTurn().then(() => this.#turns.run(() => this.#answerSome(answer)))
  }

  async #answerSome(answer: AnswerTogether): Promise<void> {
    this.#isDue = false
    const batch = this.#waiting.splice(0, mostAtOnce)
    this.#goOn(answer)
    try {
      this.#waiting.unshift(...(await answer(batch)))
    } catch (error) {
      for (const { reject } of batch) reject(error)
    }
    this.#goOn(answer)
  }
}
