import type { rooms } from '../../schema/tables/rooms.ts'
import type { users } from '../../schema/tables/users.ts'
import type { Lock } from './database.ts'

type Name<T extends { readonly name: string }> = T['name']

/** The version row of a room: every write of the room begins with it. */
export function room(nid: number): Lock {
  return {
    table: 'rooms' satisfies Name<typeof rooms>,
    column: 'room_nid' satisfies keyof (typeof rooms)['columns'],
    nid,
  }
}

/** The row of a user: a write for a user checks it in its own transaction. */
export function user(nid: number): Lock {
  return {
    table: 'users' satisfies Name<typeof users>,
    column: 'user_nid' satisfies keyof (typeof users)['columns'],
    nid,
  }
}
