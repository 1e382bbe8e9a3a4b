import { MatrixError } from './errors.ts'

/** Why something handed in as an event is not one. Such an event is dropped, not stored (server-server API, check 1). */
export class EventRefusal {
  readonly errcode: 'M_BAD_JSON' | 'M_TOO_LARGE'
  /** For logs and for the answer to a transaction: names fields and limits, never their values. */
  readonly reason: string

  constructor(reason: string, errcode: 'M_BAD_JSON' | 'M_TOO_LARGE' = 'M_BAD_JSON') {
    this.reason = reason
    this.errcode = errcode
  }

  /** The same as an error for whoever sent the event in a request of its own. */
  toError(): MatrixError {
    return new MatrixError(this.errcode, this.reason)
  }
}

/** Whether an attempt to make an event was refused. */
export function isRefusal(value: object): value is EventRefusal {
  return value instanceof EventRefusal
}
