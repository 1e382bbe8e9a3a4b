import type { Conn } from '../../store/database.ts'
import { countEventOutcomes, countEventTypes } from '../../store/erasure-events.ts'
import type { EventOutcome } from '../../store/erasure-events.ts'
import { countMediaLinksOfUser, countMediaOfUser } from '../../store/erasure-media.ts'
import { listKeptRows } from '../../store/kept-rows.ts'
import type { PrivacyDeps } from '../deps.ts'
import type { Counts, Kept } from './counts.ts'
import type { Job } from './job.ts'

const describesRoom = 'describes the room, not the person; pruned when something newer takes its place'
const neededByAuth = 'the room cannot work without it'

/** Why events of a type are kept whole (ERASURE.md section 4). */
const reasons: Readonly<Record<string, string>> = {
  'm.room.create': neededByAuth,
  'm.room.power_levels': neededByAuth,
  'm.room.join_rules': neededByAuth,
  'm.room.history_visibility': neededByAuth,
  'm.room.server_acl': 'without it the room would be open to those it shuts out',
  'm.room.encryption': 'without it the room would lose its encryption',
  'm.room.tombstone': 'it leads to the room that follows',
  'm.room.guest_access': neededByAuth,
  'm.room.canonical_alias': 'it is the address of the room',
  'm.room.member': 'authorization in this room version needs it; name, avatar and reason are not shown to anybody',
  'm.room.third_party_invite': 'those who were invited by it cannot come in without it',
  'm.room.redaction': 'without it what was redacted would come back; its reason is not shown to anybody',
}

const notRedacted: readonly EventOutcome[] = ['not_joined', 'not_permitted', 'acl_denied', 'policy_refused']
const isPruned = new Set<EventOutcome>(['pruned', 'first', 'rest', 'redacted', ...notRedacted])

/** The counts of events as they stand, and all that stays of the person, with why. */
export async function countNow(
  deps: Pick<PrivacyDeps, 'journal'>,
  conn: Conn,
  job: Pick<Job, 'nid' | 'userNid' | 'userId' | 'mode'>,
): Promise<Pick<Counts, 'pruned' | 'redacted' | 'not_redacted' | 'kept'>> {
  const outcomes = await countEventOutcomes(conn, job.nid)
  const of = (outcome: EventOutcome) => outcomes[outcome] ?? 0
  let pruned = 0
  for (const [outcome, n] of Object.entries(outcomes)) if (isPruned.has(outcome as EventOutcome)) pruned += n
  return {
    pruned,
    redacted: of('redacted'),
    not_redacted: Object.fromEntries(
      notRedacted.filter((outcome) => of(outcome) > 0).map((outcome) => [outcome, of(outcome)]),
    ),
    kept: await listKept(deps, conn, job),
  }
}

async function listKept(
  deps: Pick<PrivacyDeps, 'journal'>,
  conn: Conn,
  job: Pick<Job, 'nid' | 'userNid' | 'userId' | 'mode'>,
): Promise<Kept[]> {
  const kept: Kept[] = []
  for (const { type, count } of await countEventTypes(conn, job.nid, 'kept'))
    kept.push({ what: type, count, why: reasons[type] ?? describesRoom })
  if (job.mode === 'forget')
    for (const { type, count } of await countEventTypes(conn, job.nid, 'pending'))
      kept.push({
        what: type,
        count,
        why: 'people who were there when it was written keep their copy; nobody else sees it',
      })
  const files = await countMediaOfUser(conn, job.userNid)
  if (files > 0)
    kept.push({
      what: 'media',
      count: files,
      why: 'a room shows it as its picture, or people who were there keep their copy',
    })
  const links = await countMediaLinksOfUser(conn, job.userNid)
  if (links > 0)
    kept.push({
      what: 'event_media',
      count: links,
      why: 'ids of files that events showed, so that nobody new may read them',
    })
  for (const { table, count, why } of await listKeptRows(conn, job)) kept.push({ what: table, count, why })
  const lines = deps.journal.file.after(0).filter(({ entry }) => 'user' in entry && entry.user === job.userId).length
  if (lines > 0)
    kept.push({ what: 'journal', count: lines, why: 'without it a restored backup would bring the person back' })
  return kept
}
