import type { Requester } from '../accounts/requester.ts'
import type { ServerName, UserId } from '../protocol/ids.ts'

/** A local user who reads; `deviceId` gets its own transaction ids back. */
export interface UserViewer {
  readonly kind: 'user'
  readonly userNid: number
  readonly userId: UserId
  readonly deviceId?: string | undefined
  /** A guest or an application service: never a holder of what an erased person wrote (P3). */
  readonly isAlwaysNew?: boolean
}

/** Another server that reads. */
export interface ServerViewer {
  readonly kind: 'server'
  readonly server: ServerName
  readonly serverNid: number
}

/** For whom events are read: every read names its reader. */
export type Viewer = UserViewer | ServerViewer

/** The reader that a request has. */
export function viewerOf({ userNid, userId, deviceId, kind }: Requester): UserViewer {
  return { kind: 'user', userNid, userId, deviceId, isAlwaysNew: kind !== 'user' }
}
