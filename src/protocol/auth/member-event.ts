import type { RoomEvent } from '../event.ts'

/** A member event that has a state key. */
export type MemberEvent = RoomEvent & { readonly stateKey: string }
