import { MatrixError } from '../protocol/errors.ts'
import type { ErrCode } from '../protocol/errors.ts'
import type { JsonObject } from '../protocol/json-types.ts'

/** Stages that must all be done, in order. */
export type UiaFlow = readonly string[]

/** Where a session of user-interactive authentication stands. */
export interface UiaProgress {
  readonly flows: readonly UiaFlow[]
  readonly session: string
  readonly completed: readonly string[]
}

/**
 * The 401 of user-interactive authentication: what is still to be done. It carries an error code only where an attempt
 * failed (client-server API, "User-interactive API in the REST API").
 */
export class InteractiveAuthRequired extends MatrixError {
  readonly #progress: UiaProgress
  readonly #failure: { readonly errcode: ErrCode; readonly message: string } | undefined

  constructor(progress: UiaProgress, failure?: { readonly errcode: ErrCode; readonly message: string }) {
    super(failure?.errcode ?? 'M_UNAUTHORIZED', failure?.message ?? 'More authentication is needed', {}, 401)
    this.name = 'InteractiveAuthRequired'
    this.#progress = progress
    this.#failure = failure
  }

  override get body(): JsonObject {
    const { flows, session, completed } = this.#progress
    return {
      flows: flows.map((stages) => ({ stages })),
      params: {},
      session,
      ...(completed.length > 0 ? { completed } : {}),
      ...(this.#failure === undefined ? {} : { errcode: this.#failure.errcode, error: this.#failure.message }),
    }
  }
}
