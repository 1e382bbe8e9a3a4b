import { putErasureStuck } from '../../store/erasures.ts'
import type { ErasureRow, ErasureState } from '../../store/erasures.ts'
import type { PrivacyDeps } from '../deps.ts'
import { stepOf } from './states.ts'

/** At 80% of the time an alarm, past it the state STUCK: never silence. Each alarm once in each process. */
export class DeadlineWatch {
  readonly #alarmed = new Set<string>()

  async look(deps: Pick<PrivacyDeps, 'database' | 'clock' | 'log'>, row: ErasureRow): Promise<void> {
    if (row.settled_ts !== null || row.state === 'HELD') return
    const now = deps.clock.now()
    const share = (now - row.requested_ts) / Math.max(1, row.deadline_ts - row.requested_ts)
    if (share > 1 && row.state !== 'STUCK' && stepOf(row) !== undefined)
      await deps.database.write((tx) => putErasureStuck(tx, row.erasure_nid, row.state as ErasureState))
    const level = share > 1 ? 'late' : share >= 0.8 ? 'soon' : undefined
    if (level === undefined || this.#alarmed.has(`${row.id} ${level}`)) return
    this.#alarmed.add(`${row.id} ${level}`)
    const text =
      level === 'late' ? 'ALARM: an erasure has missed its deadline' : 'ALARM: an erasure is close to its deadline'
    deps.log.error(text, { erasure: row.id, state: row.state })
  }
}
