import { createHmac } from 'node:crypto'
import { availableParallelism } from 'node:os'
import bcrypt from 'bcrypt'
import { MatrixError } from '../protocol/errors.ts'
import { utf8Length } from '../protocol/text.ts'
import type { Peppers } from './pepper.ts'
import { WorkQueue } from './work-queue.ts'

/** NOTSPEC: the longest password that may be set, in bytes. */
export const maxPasswordBytes = 4096

/** What is stored of a password. */
export interface StoredPassword {
  readonly hash: string
  readonly pepperId: string
}

/** What an account row says of its password: nulls where it has none. */
export interface PasswordColumns {
  readonly password_hash: string | null
  readonly pepper_id: string | null
}

/**
 * Hashes and checks passwords (P6): bcrypt of HMAC-SHA-256(pepper, password), so that every byte counts (bcrypt alone
 * stops at 72 bytes and at NUL). Runs off the main thread, at most one job for each core but one; more wait in line.
 */
export class Passwords {
  readonly #peppers: Peppers
  readonly #cost: number
  readonly #minimumLength: number
  readonly #queue: WorkQueue
  readonly #dummy: string

  constructor(options: {
    readonly peppers: Peppers
    readonly cost: number
    readonly minimumLength: number
    readonly waiting?: number
  }) {
    this.#peppers = options.peppers
    this.#cost = options.cost
    this.#minimumLength = options.minimumLength
    this.#queue = new WorkQueue(Math.max(1, availableParallelism() - 1), options.waiting ?? 100)
    // a hash that no password has and that takes as long to compare as a real one
    this.#dummy = bcrypt.genSaltSync(options.cost) + '.'.repeat(31)
  }

  /** Which peppers hashes can be checked with. */
  get pepperIds(): readonly string[] {
    return [...this.#peppers.byId.keys()]
  }

  /** Throws `M_WEAK_PASSWORD` for a short password and `M_INVALID_PARAM` for one of more than 4,096 bytes. */
  assertAcceptable(password: string): void {
    if ([...password].length < this.#minimumLength)
      throw new MatrixError('M_WEAK_PASSWORD', `A password needs at least ${this.#minimumLength} characters`)
    if (utf8Length(password) > maxPasswordBytes) throw new MatrixError('M_INVALID_PARAM', 'The password is too long')
  }

  /** What to store of a password that was found acceptable. */
  async hash(password: string): Promise<StoredPassword> {
    const pepperId = this.#peppers.current
    const hash = await this.#queue.run(() => bcrypt.hash(this.#peppered(password, pepperId), this.#cost))
    return { hash, pepperId }
  }

  /**
   * Whether this is the password; false, after as long a time, where there is no account, no password, or the pepper is
   * not known.
   */
  async verify(password: string, stored: PasswordColumns | undefined): Promise<boolean> {
    const pepperId = stored?.pepper_id ?? ''
    const isKnown = typeof stored?.password_hash === 'string' && this.#peppers.byId.has(pepperId)
    const secret = this.#peppered(password, isKnown ? pepperId : this.#peppers.current)
    const hash = isKnown ? stored.password_hash : this.#dummy
    const isSame = await this.#queue.run(() => bcrypt.compare(secret, hash))
    return isKnown && isSame
  }

  /** Whether the hash was made with an older pepper or another cost, so that it should be made anew. */
  isOutdated(stored: PasswordColumns): boolean {
    if (stored.password_hash === null) return false
    return stored.pepper_id !== this.#peppers.current || bcrypt.getRounds(stored.password_hash) !== this.#cost
  }

  #peppered(password: string, pepperId: string): string {
    const pepper = this.#peppers.byId.get(pepperId)
    if (pepper === undefined) throw new Error('unknown pepper')
    return createHmac('sha256', pepper).update(password, 'utf8').digest('base64')
  }
}
