import { hashToken } from '../../accounts/tokens.ts'
import { MatrixError } from '../../protocol/errors.ts'
import { parseUserId } from '../../protocol/ids.ts'
import { findCertificate } from '../../store/certificates.ts'
import type { Conn } from '../../store/database.ts'
import { listErasurePeers } from '../../store/erasure-peers.ts'
import { listAllErasureRooms } from '../../store/erasure-rooms.ts'
import {
  findErasureById,
  findErasureByReceipt,
  findUserOfErasure,
  listErasures,
  listErasuresOfUser,
} from '../../store/erasures.ts'
import type { ErasureMode, ErasureRow } from '../../store/erasures.ts'
import { findUserNid } from '../../store/users.ts'
import type { PrivacyDeps } from '../deps.ts'
import { parseCounts } from './counts.ts'
import type { Counts } from './counts.ts'
import { countNow } from './kept.ts'

type Deps = Pick<PrivacyDeps, 'database' | 'journal' | 'serverName'>

/** One line of `lethe erasure list`. */
export interface ErasureSummary {
  readonly id: string
  readonly user_id: string
  readonly mode: string
  readonly state: string
  readonly requested_ts: number
  readonly deadline_ts: number
  readonly settled_ts: number | null
  readonly closed_ts: number | null
}

/** What `lethe erasure show` prints. */
export interface ErasureView extends ErasureSummary {
  readonly counts: Counts
  /** `unreachable`: deleted, perhaps still in free pages; `gone`: rewritten; `pending`: not yet deleted */
  readonly content: 'pending' | 'unreachable' | 'gone'
  readonly failed_rooms: readonly {
    readonly room_id: string
    readonly state: string
    readonly attempts: number
    readonly error: string | null
  }[]
  readonly peers: readonly {
    readonly host: string
    readonly state: string
    readonly attempts: number
    readonly last_ts: number | null
  }[]
  readonly app_services: readonly { readonly id: string; readonly state: string }[]
  readonly certificate: object | null
}

/** What the person sees by the receipt: no rooms and no names of hosts. */
export interface ReceiptView {
  readonly id: string
  readonly mode: string
  readonly state: string
  readonly requested_ts: number
  readonly deadline_ts: number
  readonly settled_ts: number | null
  readonly closed_ts: number | null
  readonly content: ErasureView['content']
  readonly counts: Counts
  readonly failed_rooms: number
  readonly peers: Readonly<Record<string, number>>
  /** of the certificate's subject, base64 */
  readonly salt: string
  readonly certificate: object | null
}

/** All erasures, oldest first. */
export async function listErasureSummaries(deps: Deps): Promise<ErasureSummary[]> {
  return deps.database.read(async (conn) => {
    const found: ErasureSummary[] = []
    for (const row of await listErasures(conn)) found.push(await summaryOf(conn, row))
    return found
  })
}

/** An erasure by its id, or the newest of a user. Throws `M_NOT_FOUND`. */
export async function getErasure(deps: Deps, userOrId: string): Promise<ErasureRow> {
  const row = await deps.database.read(async (conn) => {
    const byId = await findErasureById(conn, userOrId)
    if (byId !== undefined) return byId
    const userId = parseUserId(userOrId) ?? parseUserId(`@${userOrId}:${deps.serverName}`)
    const userNid = userId && (await findUserNid(conn, userId))
    return userNid === undefined ? undefined : (await listErasuresOfUser(conn, userNid)).at(-1)
  })
  if (row === undefined) throw new MatrixError('M_NOT_FOUND', 'There is no such erasure')
  return row
}

/** How far an erasure is. */
export async function showErasure(deps: Deps, row: ErasureRow): Promise<ErasureView> {
  return deps.database.read(async (conn) => {
    const certificate = await findCertificate(conn, row.erasure_nid)
    const rooms = await listAllErasureRooms(conn, row.erasure_nid)
    const peers = await listErasurePeers(conn, row.erasure_nid)
    return {
      ...(await summaryOf(conn, row)),
      counts: await countsOf(deps, conn, row),
      content: row.settled_ts !== null ? 'gone' : row.collected_ts !== null ? 'unreachable' : 'pending',
      failed_rooms: rooms
        .filter(({ state }) => state === 'leaving' || state === 'failed')
        .map(({ room_id, state, attempts, error }) => ({ room_id, state, attempts, error })),
      peers: peers.map(({ host, state, attempts, last_ts }) => ({ host, state, attempts, last_ts })),
      app_services: [],
      certificate: certificate === undefined ? null : (JSON.parse(certificate) as object),
    }
  })
}

/** What the person sees who has the receipt. Throws `M_NOT_FOUND`, the same for every token that is none. */
export async function showReceipt(deps: Deps, token: string): Promise<ReceiptView> {
  const row = await deps.database.read((conn) => findErasureByReceipt(conn, hashToken(token)))
  if (row === undefined) throw new MatrixError('M_NOT_FOUND', 'There is no such receipt')
  const view = await showErasure(deps, row)
  const peers: Record<string, number> = {}
  for (const { state } of view.peers) peers[state] = (peers[state] ?? 0) + 1
  const { id, mode, state, requested_ts, deadline_ts, settled_ts, closed_ts, content, counts, certificate } = view
  const times = { requested_ts, deadline_ts, settled_ts, closed_ts }
  return {
    id,
    mode,
    state,
    ...times,
    content,
    counts,
    failed_rooms: view.failed_rooms.length,
    peers,
    salt: row.salt.toString('base64'),
    certificate,
  }
}

async function summaryOf(conn: Conn, row: ErasureRow): Promise<ErasureSummary> {
  const { id, mode, state, requested_ts, deadline_ts, settled_ts, closed_ts } = row
  const user_id = (await findUserOfErasure(conn, row.user_nid)) ?? ''
  return { id, user_id, mode, state, requested_ts, deadline_ts, settled_ts, closed_ts }
}

/** While the job works its numbers are counted as they stand; afterwards they are as they were noted. */
async function countsOf(deps: Deps, conn: Conn, row: ErasureRow): Promise<Counts> {
  const noted = parseCounts(row.counts)
  // the working rows that are counted went when it was closed, also where a retry has opened it again
  if (row.closed_ts !== null || row.state === 'CANCELLED') return noted
  const userId = await findUserOfErasure(conn, row.user_nid)
  if (userId === undefined) return noted
  const job = { nid: row.erasure_nid, userNid: row.user_nid, userId, mode: row.mode as ErasureMode }
  return { ...noted, ...(await countNow(deps, conn, job)) }
}
