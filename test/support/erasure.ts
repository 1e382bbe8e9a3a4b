import { eventually } from './api-client.ts'
import type { LetheProcess } from './lethe-process.ts'

/** What `lethe erasure show --json` prints. */
export interface ErasureShown {
  readonly id: string
  readonly user_id: string
  readonly mode: 'redact' | 'forget'
  readonly state: string
  readonly requested_ts: number
  readonly deadline_ts: number
  readonly settled_ts: number | null
  readonly closed_ts: number | null
  readonly counts: {
    readonly deleted: Readonly<Record<string, number>>
    readonly pruned: number
    readonly redacted: number
    readonly kept: readonly { readonly what: string; readonly count: number; readonly why: string }[]
  } & Readonly<Record<string, unknown>>
  readonly failed_rooms: readonly unknown[]
  readonly peers: readonly {
    readonly host: string
    readonly state: string
    readonly attempts: number
    readonly last_ts: number | null
  }[]
  readonly app_services: readonly unknown[]
  readonly certificate: Readonly<Record<string, unknown>> | null
}

/** The erasure of a user as the command line shows it. */
export function showErasure(lethe: LetheProcess, user: string): Promise<ErasureShown> {
  return lethe.json<ErasureShown>('erasure', 'show', user)
}

/** Waits until the erasure has come this far; throws with what it shows where it does not in `ms`. */
export async function erasureReaches(
  lethe: LetheProcess,
  user: string,
  isReached: (shown: ErasureShown) => boolean,
  ms = 60_000,
): Promise<ErasureShown> {
  let last: ErasureShown | undefined
  try {
    return await eventually(
      async () => {
        last = await showErasure(lethe, user)
        return isReached(last) ? last : undefined
      },
      ms,
      'the erasure',
    )
  } catch (error) {
    throw new Error(`the erasure is at ${JSON.stringify(last)}\n${lethe.log().slice(-3000)}`, { cause: error })
  }
}

export const isSettled = ({ state }: ErasureShown): boolean => state === 'SETTLED' || state === 'CLOSED'
