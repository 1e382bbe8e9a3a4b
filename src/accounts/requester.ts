import type { UserId } from '../protocol/ids.ts'

/** Who makes a request: an account of this server, by one of its access tokens. */
export interface Requester {
  readonly userId: UserId
  readonly userNid: number
  /** undefined for a token without a device (application services) */
  readonly deviceId: string | undefined
  readonly kind: 'user' | 'guest' | 'appservice'
  readonly admin: boolean
  /** client-server API, "Account suspension" */
  readonly suspended: boolean
  readonly tokenHash: string
}
