import { createHash } from 'node:crypto'
import { canonicalJson } from '../protocol/canonical-json.ts'
import { MatrixError } from '../protocol/errors.ts'
import { isJsonObject, memberOf } from '../protocol/json.ts'
import type { Json, JsonObject } from '../protocol/json-types.ts'
import { deleteUiaSession, findUiaSession, putUiaSession } from '../store/uia.ts'
import type { AccountsDeps, Attempts } from './deps.ts'
import { InteractiveAuthRequired } from './uia-required.ts'
import type { UiaFlow } from './uia-required.ts'
import { tryStage } from './uia-stages.ts'
import type { Claimant } from './uia-stages.ts'

/** How long a session of user-interactive authentication lives. */
export const uiaLifetimeMs = 3_600_000

/** What somebody must prove, for what. */
export interface UiaDemand {
  /** the request: method and path; a session is good for this one only */
  readonly operation: string
  /** undefined at registration */
  readonly claimant: Claimant | undefined
  readonly flows: readonly UiaFlow[]
  /** the request's `auth` */
  readonly auth: Json | undefined
  /** what must not change once a stage is done: the rest of the body */
  readonly bound: Json
}

/** What was proved beside that all stages are done. */
export interface UiaProof {
  readonly registrationToken: string | undefined
}

type Deps = Pick<AccountsDeps, 'database' | 'clock' | 'random' | 'passwords' | 'config' | 'serverName'>

interface Bound {
  readonly digest?: string
  readonly token?: string
}

interface Session {
  readonly id: string
  readonly isStored: boolean
  readonly completed: readonly string[]
  readonly bound: Bound
}

/**
 * Returns when all stages of a flow are done; the session is used up then. Else throws `InteractiveAuthRequired` (401)
 * with what is left to do; `M_FORBIDDEN` where a session is used for another request than it was begun for; what
 * `attempts` throws (client-server API, "User-Interactive Authentication API").
 */
export async function assertInteractive(deps: Deps, demand: UiaDemand, attempts: Attempts): Promise<UiaProof> {
  const { flows, claimant } = demand
  const auth = isJsonObject(demand.auth) ? demand.auth : undefined
  const session = await findSession(deps, demand, auth)
  const type = auth === undefined ? undefined : memberOf(auth, 'type')
  if (auth === undefined || typeof type !== 'string') return refuse(deps, demand, session)
  const digest = createHash('sha256').update(canonicalJson(demand.bound)).digest('base64url')
  if (session.bound.digest !== undefined && session.bound.digest !== digest)
    throw new MatrixError('M_FORBIDDEN', 'The request changed during the authentication')
  if (session.completed.includes(type)) return refuse(deps, demand, session)
  if (!flows.some((flow) => isNext(flow, session.completed, type)))
    return refuse(deps, demand, session, { errcode: 'M_UNRECOGNIZED', message: 'This stage is not asked for' })
  const outcome = await tryStage(deps, auth, claimant, attempts)
  if (!outcome.ok) return refuse(deps, demand, session, outcome)
  const token = outcome.token ?? session.bound.token
  const bound: Bound = { digest, ...(token === undefined ? {} : { token }) }
  const done: Session = { ...session, completed: [...session.completed, type], bound }
  if (!flows.some((flow) => flow.length === done.completed.length && isNext(flow, done.completed)))
    return refuse(deps, demand, done)
  if (session.isStored && !(await deps.database.write((tx) => deleteUiaSession(tx, session.id))))
    return refuse(deps, demand, newSession(deps))
  return { registrationToken: token }
}

/** Whether `completed`, and then `type`, is how the flow begins. */
function isNext(flow: UiaFlow, completed: readonly string[], type?: string): boolean {
  const stages = type === undefined ? completed : [...completed, type]
  return stages.length <= flow.length && stages.every((stage, index) => stage === flow[index])
}

function newSession(deps: Pick<Deps, 'random'>): Session {
  return { id: deps.random.token(18), isStored: false, completed: [], bound: {} }
}

async function findSession(deps: Deps, demand: UiaDemand, auth: JsonObject | undefined): Promise<Session> {
  const id = auth === undefined ? undefined : memberOf(auth, 'session')
  if (typeof id !== 'string') return newSession(deps)
  const row = await deps.database.read((conn) => findUiaSession(conn, id))
  if (row === undefined || row.created_ts + uiaLifetimeMs < deps.clock.now())
    return refuse(deps, demand, newSession(deps), { errcode: 'M_FORBIDDEN', message: 'Unknown or expired session' })
  if (row.operation !== demand.operation || row.user_nid !== (demand.claimant?.userNid ?? null))
    throw new MatrixError('M_FORBIDDEN', 'This session was begun for another request')
  const completed = JSON.parse(row.completed) as string[]
  return { id, isStored: true, completed, bound: JSON.parse(row.bound) as Bound }
}

/** Stores where the session stands, and asks for the rest. */
async function refuse(
  deps: Deps,
  demand: UiaDemand,
  session: Session,
  failure?: { readonly errcode: MatrixError['errcode']; readonly message: string },
): Promise<never> {
  const { id: sessionId, completed, bound } = session
  await deps.database.write((tx) =>
    putUiaSession(tx, {
      sessionId,
      userNid: demand.claimant?.userNid ?? null,
      operation: demand.operation,
      completed: JSON.stringify(completed),
      bound: JSON.stringify(bound),
      ts: deps.clock.now(),
    }),
  )
  throw new InteractiveAuthRequired({ flows: demand.flows, session: sessionId, completed }, failure)
}
