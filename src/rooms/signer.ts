import { signText } from '../protocol/sign.ts'
import type { SigningKey } from '../protocol/sign.ts'
import { AnsweringThread } from '../util/answering-thread.ts'
import type { ThreadAnswer } from '../util/answering-thread.ts'
import type { Log } from '../util/log.ts'

/** Makes our signatures of several texts. */
export interface Signer {
  /** Our signature of each text, in their order: unpadded base64, as `signText`. */
  sign(texts: readonly string[]): Promise<readonly string[]>
  /** Ends what it works with. It still signs. */
  stop(): Promise<void>
}

/** Signs where it is called. */
export function signHere(key: SigningKey): Signer {
  return { sign: async (texts) => texts.map((text) => signText(text, key)), stop: async () => {} }
}

/** Fewer are signed sooner than a thread is asked. */
const fewestAsked = 4

type Answer = ThreadAnswer & { readonly signatures: readonly string[] }

/**
 * Signs in a thread of its own, so that the event loop goes on meanwhile; not in libuv's, where signatures would wait behind
 * passwords. The thread begins with the first run of texts. Where there is none, yet or any more, it signs where it is called.
 */
export class ThreadSigner implements Signer {
  readonly #here: Signer
  readonly #key: SigningKey
  readonly #log: Log
  #thread: AnsweringThread<readonly string[], Answer> | undefined
  #isOver = false

  constructor(key: SigningKey, log: Log) {
    this.#key = key
    this.#here = signHere(key)
    this.#log = log
  }

  /** Whether its thread signs now. */
  get isAside(): boolean {
    return !this.#isOver && this.#thread?.isOnline === true
  }

  async sign(texts: readonly string[]): Promise<readonly string[]> {
    if (texts.length < fewestAsked || this.#isOver) return this.#here.sign(texts)
    this.#thread ??= new AnsweringThread(new URL('./sign-thread.mjs', import.meta.url), { key: this.#key.privateKey })
    if (!this.isAside) return this.#here.sign(texts)
    try {
      return (await this.#thread.ask(texts)).signatures
    } catch (error) {
      if (!this.#isOver) this.#log.error('the thread that signs has failed: signatures are made without it', { error })
      this.#isOver = true
      return this.#here.sign(texts)
    }
  }

  async stop(): Promise<void> {
    this.#isOver = true
    await this.#thread?.terminate()
  }
}
