import { and, eq } from 'drizzle-orm'
import { memberships } from '../../schema/tables/rooms.ts'
import { users } from '../../schema/tables/users.ts'
import type { UserId } from '../protocol/ids.ts'
import type { Conn, Tx } from './database.ts'
import { insertMany } from './insert-many.ts'
import { query, sqlQuery, sqlRun } from './query.ts'

/** The words of `m.room.member`'s `membership`. */
export type Membership = 'join' | 'invite' | 'leave' | 'ban' | 'knock'

/** A row of `memberships`. */
export type MembershipRow = NonNullable<Awaited<ReturnType<typeof find.first>>>

const find = query<{ userNid: number; roomNid: number }>('findMembership')(({ db, t, p }) => {
  const m = t(memberships)
  return db
    .select()
    .from(m)
    .where(and(eq(m.user_nid, p.userNid), eq(m.room_nid, p.roomNid)))
})
const listOfUser = query<{ userNid: number }>('listMembershipsOfUser')(({ db, t, p }) => {
  const m = t(memberships)
  return db.select().from(m).where(eq(m.user_nid, p.userNid))
})
const listInRoom = query<{ roomNid: number; membership: string }>('listMembersOfRoom')(({ db, t, p }) => {
  const [m, u] = [t(memberships), t(users)]
  return db
    .select({ userNid: m.user_nid, userId: u.user_id, serverNid: u.server_nid, eventNid: m.event_nid })
    .from(m)
    .innerJoin(u, eq(u.user_nid, m.user_nid))
    .where(and(eq(m.room_nid, p.roomNid), eq(m.membership, p.membership)))
})
const listLocal = query<{ roomNid: number; membership: string }>('listLocalMembers')(({ db, t, p }) => {
  const [m, u] = [t(memberships), t(users)]
  return db
    .select({ userNid: m.user_nid, userId: u.user_id, eventNid: m.event_nid })
    .from(m)
    .innerJoin(u, eq(u.user_nid, m.user_nid))
    .where(and(eq(m.room_nid, p.roomNid), eq(m.membership, p.membership), eq(m.local, true)))
})
const rows = insertMany(
  'putMemberships',
  memberships,
  [
    'user_nid',
    'room_nid',
    'membership',
    'event_nid',
    'sender_nid',
    'local',
    'forgotten',
    'writer',
    'pos',
    'ord',
    'display_name',
    'avatar_url',
  ],
  {
    onConflict: {
      key: ['user_nid', 'room_nid'],
      update: [
        'membership',
        'event_nid',
        'sender_nid',
        'local',
        'forgotten',
        'writer',
        'pos',
        'ord',
        'display_name',
        'avatar_url',
      ],
    },
  },
)
const put = query<{ [K in keyof NewMembership]: NewMembership[K] }>('putMembership')(({ db, t, p }) => {
  const m = t(memberships)
  const changed = {
    membership: p.membership,
    event_nid: p.event_nid,
    sender_nid: p.sender_nid,
    local: p.local,
    forgotten: p.forgotten,
    writer: p.writer,
    pos: p.pos,
    ord: p.ord,
    display_name: p.display_name,
    avatar_url: p.avatar_url,
  }
  return db
    .insert(m)
    .values({ user_nid: p.user_nid, room_nid: p.room_nid, stripped_state: null, ...changed })
    .onConflictDoUpdate({ target: [m.user_nid, m.room_nid], set: changed })
})
const putStripped = query<{ userNid: number; roomNid: number; stripped: string | null }>('putStrippedState')(({
  db,
  t,
  p,
}) => {
  const m = t(memberships)
  return db
    .update(m)
    .set({ stripped_state: p.stripped })
    .where(and(eq(m.user_nid, p.userNid), eq(m.room_nid, p.roomNid)))
})
const forget = query<{ userNid: number; roomNid: number; forgotten: boolean }>('putForgotten')(({ db, t, p }) => {
  const m = t(memberships)
  return db
    .update(m)
    .set({ forgotten: p.forgotten })
    .where(and(eq(m.user_nid, p.userNid), eq(m.room_nid, p.roomNid)))
})
const prune = sqlRun<{ nids: readonly number[] }>(
  'pruneMembershipNames',
  ({ list }) =>
    `update memberships set display_name = null, avatar_url = null where event_nid in ${list('nids', 'int')}`,
)
const heroes = sqlQuery<{ roomNid: number }, { user_id: string }>(
  'listHeroes',
  `select u.user_id from memberships m join users u on u.user_nid = m.user_nid
   where m.room_nid = :roomNid and m.membership in ('join', 'invite') order by m.event_nid limit 6`,
)
const formerHeroes = sqlQuery<{ roomNid: number }, { user_id: string }>(
  'listFormerHeroes',
  `select u.user_id from memberships m join users u on u.user_nid = m.user_nid
   where m.room_nid = :roomNid and m.membership in ('leave', 'ban') order by m.event_nid limit 6`,
)
const ofServer = sqlQuery<{ roomNid: number; serverNid: number }, { user_id: UserId }>(
  'listUsersOfServerInRoom',
  `select u.user_id from memberships m join users u on u.user_nid = m.user_nid
   where m.room_nid = :roomNid and u.server_nid = :serverNid`,
)
const guestOfServer = sqlQuery<{ roomNid: number; serverNid: number }, { n: number }>(
  'hasGuestOfServer',
  `select 1 as n from memberships m join users u on u.user_nid = m.user_nid
   where m.room_nid = :roomNid and u.server_nid = :serverNid and m.membership in ('invite', 'knock') limit 1`,
)
const countLocal = sqlQuery<{ roomNid: number }, { n: number | string }>(
  'countLocalJoined',
  `select count(*) as n from memberships where room_nid = :roomNid and membership = 'join' and local`,
)

/** A user's membership of a room, undefined where there never was one. */
export function findMembership(conn: Conn, userNid: number, roomNid: number): Promise<MembershipRow | undefined> {
  return find.first(conn, { userNid, roomNid })
}

/** All rooms that a user is or was in, with the membership of each. */
export function listMembershipsOfUser(conn: Conn, userNid: number): Promise<MembershipRow[]> {
  return listOfUser(conn, { userNid })
}

/** A member of a room. */
export interface Member {
  readonly userNid: number
  readonly userId: UserId
  readonly serverNid: number
  readonly eventNid: number
}

/** Everybody who has this membership in a room. */
export async function listMembers(conn: Conn, roomNid: number, membership: Membership): Promise<Member[]> {
  return (await listInRoom(conn, { roomNid, membership })).map((row) => ({ ...row, userId: row.userId as UserId }))
}

/** Our own users who have this membership in a room. */
export async function listLocalMembers(
  conn: Conn,
  roomNid: number,
  membership: Membership = 'join',
): Promise<Omit<Member, 'serverNid'>[]> {
  return (await listLocal(conn, { roomNid, membership })).map((row) => ({ ...row, userId: row.userId as UserId }))
}

/** The users of one server who have or had a membership of a room. */
export async function listUsersOfServer(conn: Conn, roomNid: number, serverNid: number): Promise<UserId[]> {
  return (await ofServer(conn, { roomNid, serverNid })).map(({ user_id: userId }) => userId)
}

/** Whether somebody of a server is invited to a room, or knocks. */
export async function hasGuestOfServer(conn: Conn, roomNid: number, serverNid: number): Promise<boolean> {
  return (await guestOfServer.first(conn, { roomNid, serverNid })) !== undefined
}

/** How many of our own users are joined to a room. */
export async function countLocalMembers(conn: Conn, roomNid: number): Promise<number> {
  return Number((await countLocal.first(conn, { roomNid }))?.n ?? 0)
}

/** What a change of membership writes. */
export type NewMembership = Omit<MembershipRow, 'stripped_state'>

/** Writes memberships, new and changed ones; stripped state that is there stays. */
export async function putMemberships(tx: Tx, changed: readonly NewMembership[]): Promise<void> {
  const [only] = changed
  if (changed.length === 1 && only !== undefined) await put(tx, only)
  else await rows(tx, changed)
}

/** Stripped state that came with an invite or knock, as serialised JSON; null to drop it. */
export async function putStrippedState(
  tx: Tx,
  userNid: number,
  roomNid: number,
  stripped: string | null,
): Promise<void> {
  await putStripped(tx, { userNid, roomNid, stripped })
}

/** Marks a room that its user has left as forgotten, or as no longer forgotten. */
export async function putForgotten(tx: Tx, userNid: number, roomNid: number, forgotten: boolean): Promise<void> {
  await forget(tx, { userNid, roomNid, forgotten })
}

/** Drops display name and avatar of memberships whose event was pruned. */
export async function pruneMembershipNames(tx: Tx, eventNids: readonly number[]): Promise<void> {
  if (eventNids.length > 0) await prune(tx, { nids: eventNids })
}

/** Up to 6 members for the name of a room without one: joined or invited, else those who left (`m.heroes`). */
export async function listHeroes(conn: Conn, roomNid: number): Promise<UserId[]> {
  const present = await heroes(conn, { roomNid })
  const found = present.length > 1 ? present : [...present, ...(await formerHeroes(conn, { roomNid }))].slice(0, 6)
  return found.map(({ user_id }) => user_id as UserId)
}
