import { tables } from '../../../schema/tables/index.ts'
import { localpartOf } from '../../protocol/ids.ts'
import type { RoomId, UserId } from '../../protocol/ids.ts'
import { pruneRule } from '../../rooms/prune-rule.ts'
import { eventOfRow } from '../../rooms/events.ts'
import { eventAt } from '../../rooms/layers.ts'
import type { Conn } from '../../store/database.ts'
import { listErasuresOfUser } from '../../store/erasures.ts'
import type { ErasureRow } from '../../store/erasures.ts'
import { listEvents } from '../../store/events.ts'
import type { EventRow } from '../../store/events.ts'
import { findRoom } from '../../store/rooms.ts'
import { countRowsOfSubject } from '../../store/scrub.ts'
import { searchTables } from '../../store/search-text.ts'
import type { TextHit } from '../../store/search-text.ts'
import { findUserNid } from '../../store/users.ts'
import { nextTurn } from '../../util/next-turn.ts'
import type { PrivacyDeps } from '../deps.ts'
import { addUp, countIn } from './findings.ts'
import type { Finding, Term } from './findings.ts'

type Deps = Pick<PrivacyDeps, 'database' | 'roomCache' | 'clock' | 'erased'>

/** So many rows of a column are looked at before others have their turn. */
const rowsAtOnce = 1_000

/** What the tables hold of a person; `terms` are looked for in every text column. */
export interface TableSearch {
  readonly erasure: {
    readonly id: string
    readonly state: string
    readonly content: 'pending' | 'unreachable' | 'gone'
  } | null
  readonly found: readonly Finding[]
  /** occurrences of each term in the tables, so that bytes of the file can be compared */
  readonly counts: Readonly<Record<string, number>>
  /** until when the erasure may still be at work, in ms */
  readonly dueTs: number | null
}

interface Context {
  readonly conn: Conn
  readonly userId: UserId
  readonly userNid: number | undefined
  readonly erasure: ErasureRow | undefined
}

const belongsToOthers = 'belongs to somebody else, who may name whom they like'
const stillAtWork = 'the erasure is at work'

/** Texts that other people write and that stay theirs: tables whose rows have another subject. */
const writtenByOthers = new Set([
  'profiles',
  'account_data',
  'filters',
  'push_rules',
  'devices',
  'media',
  'user_notifications',
  'uia_sessions',
])

/** The terms to look for: the user id, its localpart, and what the person names. */
export function termsOf(userId: UserId, also: readonly string[]): Term[] {
  return [
    { what: 'user_id', text: userId, isId: true },
    { what: 'localpart', text: localpartOf(userId), isId: true },
    ...also.filter((text) => text !== '').map((text, i) => ({ what: `also:${i + 1}`, text, isId: false })),
  ]
}

/** Searches every table for a person (ERASURE.md section 5, "Verify"): rows of theirs, and the texts named. */
export async function searchPerson(deps: Deps, userId: UserId, also: readonly string[]): Promise<TableSearch> {
  return deps.database.read(async (conn) => {
    const userNid = await findUserNid(conn, userId)
    const rows = userNid === undefined ? [] : await listErasuresOfUser(conn, userNid)
    const erasure = rows.findLast(({ state }) => state !== 'CANCELLED')
    const context: Context = { conn, userId, userNid, erasure }
    let found: Finding[] = []
    const counts: Record<string, number> = {}
    if (userNid !== undefined) found.push(...(await rowsOf(context, userNid)))
    for (const term of termsOf(userId, also)) {
      for (const text of new Set([term.text, JSON.stringify(term.text).slice(1, -1)]))
        for await (const hits of searchTables(conn, text, rowsAtOnce)) {
          for (const hit of hits) {
            const count = countIn(hit.text, text)
            counts[term.what] = (counts[term.what] ?? 0) + count
            const { may_be, why } = await judge(deps, context, term, hit)
            found.push({ where: `${hit.table}.${hit.column}`, what: term.what, count, may_be, why })
          }
          if (hits.length > 0) found = addUp(found)
          await nextTurn()
        }
    }
    return {
      erasure: stateOf(erasure),
      found: addUp(found),
      counts,
      dueTs: isAtWork(erasure) ? (erasure?.deadline_ts ?? null) : null,
    }
  })
}

function stateOf(row: ErasureRow | undefined): TableSearch['erasure'] {
  if (row === undefined) return null
  const content = row.settled_ts !== null ? 'gone' : row.collected_ts !== null ? 'unreachable' : 'pending'
  return { id: row.id, state: row.state, content }
}

/** An erasure that has missed its deadline is no excuse. */
function isAtWork(row: ErasureRow | undefined): boolean {
  return row !== undefined && row.settled_ts === null && row.state !== 'STUCK'
}

async function rowsOf({ conn, userId, erasure }: Context, userNid: number): Promise<Finding[]> {
  const left = await countRowsOfSubject(conn, { userNid, userId })
  const may = isAtWork(erasure) && erasure?.scrubbed_ts === null
  return Object.entries(left).map(([table, count]) => ({
    where: `${table} (rows)`,
    what: 'person',
    count,
    may_be: may,
    why: may ? stillAtWork : erasure === undefined ? 'there is no erasure' : 'it should have been deleted',
  }))
}

interface Verdict {
  readonly may_be: boolean
  readonly why: string
}

async function judge(deps: Deps, context: Context, term: Term, hit: TextHit): Promise<Verdict> {
  const { erasure, userId, userNid } = context
  if (hit.table === 'events') return judgeEvent(deps, context, term, hit)
  const isHers = hit.subjects.some((subject) => subject === userNid || subject === userId)
  const map = tables.find(({ name }) => name === hit.table)?.map
  if (map?.erasure === 'keep' && (term.isId || hit.table === 'audit'))
    return { may_be: true, why: map.reason ?? 'the data map keeps it' }
  if (isHers && map?.erasure === 'delete') return atWorkOr(erasure, 'it should have been deleted')
  if (!isHers && writtenByOthers.has(hit.table)) return { may_be: true, why: belongsToOthers }
  if (term.isId) return { may_be: true, why: 'the user id stays visible in rooms (P4)' }
  if (hit.table === 'room_summaries')
    return { may_be: true, why: 'describes the room as it is now; the state event it comes from is listed too' }
  return atWorkOr(erasure, 'it should have been deleted')
}

async function judgeEvent(
  deps: Deps,
  { conn, erasure, userNid, userId }: Context,
  term: Term,
  hit: TextHit,
): Promise<Verdict> {
  const [row] = await listEvents(conn, [Number(hit.key[0])])
  if (row === undefined) return { may_be: true, why: 'gone meanwhile' }
  if (term.isId && (row.pruned_ts !== null || row.sender_nid !== userNid))
    return { may_be: true, why: 'the user id stays visible in rooms (P4)' }
  const stays = await whyEventStays(deps, conn, row, { userNid, userId, isForget: erasure?.mode === 'forget' })
  if (stays !== undefined) return { may_be: true, why: stays }
  return atWorkOr(erasure, erasure === undefined ? 'there is no erasure' : 'it should have been pruned')
}

async function whyEventStays(
  deps: Deps,
  conn: Conn,
  row: EventRow,
  person: { readonly userNid: number | undefined; readonly userId: UserId; readonly isForget: boolean },
): Promise<string | undefined> {
  const roomRow = await findRoom(conn, row.room_nid)
  const room = roomRow && (await deps.roomCache.find(conn, roomRow.room_id as RoomId))
  if (room === undefined) return undefined
  const event = eventOfRow(room, row)
  const isAbout = event.type === 'm.room.member' && event.stateKey === person.userId
  if (row.sender_nid !== person.userNid && !isAbout) return 'written by somebody else'
  const isCurrent = row.state_key_nid !== null && eventAt(room.chain, row.state_key_nid) === row.event_nid
  if (pruneRule(event, isCurrent).stored === 'keep') return `${event.type} is kept: the room needs it`
  if (person.isForget && row.state_key_nid === null && row.pruned_ts === null && row.redacted_by === null)
    return 'people who were there keep their copy'
  return undefined
}

function atWorkOr(erasure: ErasureRow | undefined, otherwise: string): Verdict {
  if (erasure === undefined) return { may_be: false, why: 'there is no erasure' }
  return isAtWork(erasure) ? { may_be: true, why: stillAtWork } : { may_be: false, why: otherwise }
}
