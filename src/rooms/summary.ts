import type { RoomEvent } from '../protocol/event.ts'
import type { UserId } from '../protocol/ids.ts'
import type { Json } from '../protocol/json-types.ts'
import type { Tx } from '../store/database.ts'
import { listHeroes } from '../store/memberships.ts'
import type { SummaryState } from '../store/summaries.ts'
import { findSummary, putSummaryState } from '../store/summaries.ts'
import type { MemberChange } from './members.ts'
import type { StateChange } from './state-change.ts'

type Mutable<T> = { -readonly [K in keyof T]: T[K] }
type Fill = (summary: Mutable<SummaryState>, event: RoomEvent | undefined) => void

const mostHeroes = 6
const longest = 4096

function text(value: Json | undefined): string | null {
  return typeof value === 'string' && value !== '' ? value.slice(0, longest) : null
}

/** What each state event with an empty state key says in the summary. */
const fields: Readonly<Record<string, Fill>> = {
  'm.room.name': (summary, event) => (summary.name = text(event?.content.name)),
  'm.room.topic': (summary, event) => (summary.topic = text(event?.content.topic)),
  'm.room.avatar': (summary, event) => (summary.avatar_url = text(event?.content.url)),
  'm.room.canonical_alias': (summary, event) => (summary.canonical_alias = text(event?.content.alias)),
  'm.room.encryption': (summary, event) => (summary.encryption = text(event?.content.algorithm)),
  'm.room.join_rules': (summary, event) => (summary.join_rule = text(event?.content.join_rule)),
  'm.room.history_visibility': (summary, event) =>
    (summary.history_visibility = text(event?.content.history_visibility)),
  'm.room.guest_access': (summary, event) => (summary.guest_access = text(event?.content.guest_access)),
  'm.room.tombstone': (summary, event) =>
    (summary.tombstone = event === undefined ? null : (text(event.content.replacement_room) ?? '')),
  'm.room.create': (summary, event) => {
    summary.room_type = text(event?.content.type)
    summary.creator = event?.sender ?? null
  },
}

/** Whether an event at this place shows in the summary (members do as well). */
export function isInSummary(type: string, stateKey: string): boolean {
  return stateKey === '' && Object.hasOwn(fields, type)
}

/** Brings the summary in line with changes of the current state; called after the member rows were written. */
export async function applySummaryChanges(
  tx: Tx,
  roomNid: number,
  changes: readonly StateChange[],
  members: readonly MemberChange[],
): Promise<void> {
  const shown = changes.filter(({ type, stateKey }) => isInSummary(type, stateKey))
  const moved = members.filter(({ before, after }) => before !== after)
  if (shown.length === 0 && moved.length === 0) return
  const row = await findSummary(tx, roomNid)
  if (row === undefined) throw new Error('the summary of a room is missing')
  const summary: Mutable<SummaryState> = { ...row }
  for (const { type, after } of shown) fields[type]?.(summary, after)
  for (const { before, after } of moved) {
    summary.joined_count += Number(after === 'join') - Number(before === 'join')
    summary.invited_count += Number(after === 'invite') - Number(before === 'invite')
  }
  if (moved.length > 0) summary.heroes = JSON.stringify(await heroesAfter(tx, roomNid, summary.heroes, moved))
  await putSummaryState(tx, roomNid, summary)
}

async function heroesAfter(
  tx: Tx,
  roomNid: number,
  known: string | null,
  moved: readonly MemberChange[],
): Promise<readonly UserId[]> {
  const heroes = known === null ? [] : (JSON.parse(known) as UserId[])
  const isPresent = (membership: string) => membership === 'join' || membership === 'invite'
  const hasLost = moved.some(({ userId, after }) => !isPresent(after) && heroes.includes(userId))
  if (hasLost || heroes.length < 2 || moved.length > mostHeroes) return listHeroes(tx, roomNid)
  for (const { userId, after } of moved)
    if (isPresent(after) && heroes.length < mostHeroes && !heroes.includes(userId)) heroes.push(userId)
  return heroes
}
