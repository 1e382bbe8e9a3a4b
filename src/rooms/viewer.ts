import type { ServerName, UserId } from '../protocol/ids.ts'

/** A local user who reads; `deviceId` gets its own transaction ids back. */
export interface UserViewer {
  readonly kind: 'user'
  readonly userNid: number
  readonly userId: UserId
  readonly deviceId?: string | undefined
}

/** Another server that reads. */
export interface ServerViewer {
  readonly kind: 'server'
  readonly server: ServerName
  readonly serverNid: number
}

/** For whom events are read: every read names its reader. */
export type Viewer = UserViewer | ServerViewer
