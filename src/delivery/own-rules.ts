import { pushRulesetOf } from '../protocol/push-rule-edits.ts'
import type { PushRuleEdits } from '../protocol/push-rule-edits.ts'
import { compilePushRules } from '../protocol/push-rules.ts'
import type { CompiledPushRules } from '../protocol/push-rules.ts'
import type { UserId } from '../protocol/ids.ts'
import { remember } from '../rooms/caches.ts'
import type { Changes } from '../store/changes.ts'
import type { Conn } from '../store/database.ts'
import { listPushRules } from '../store/push-rules.ts'
import { lru } from '../util/lru.ts'

interface User {
  readonly userNid: number
  readonly userId: UserId
}

/** The push rules of users who changed theirs, made ready and kept until they change again. */
export class OwnRules {
  readonly #rules = lru<number, { readonly compiled: CompiledPushRules | undefined }>(50_000)
  readonly #unsubscribe: () => void
  /** Moves whenever what was read before may no longer hold. */
  version = 0

  constructor(changes: Pick<Changes, 'subscribe'>) {
    this.#unsubscribe = changes.subscribe(({ userNids, everything }) => {
      if (everything) this.#rules.clear()
      else if (userNids === undefined || userNids.length === 0) return
      else for (const nid of userNids) this.#rules.delete(nid)
      this.version++
    })
  }

  /** The rules of those of the users who have some of their own; the others' are the predefined ones. */
  async of(conn: Conn, users: readonly User[]): Promise<Map<number, CompiledPushRules>> {
    const found = new Map<number, CompiledPushRules>()
    const missing = new Map<number, UserId>()
    for (const { userNid, userId } of users) {
      const known = this.#rules.get(userNid)
      if (known === undefined) missing.set(userNid, userId)
      else if (known.compiled !== undefined) found.set(userNid, known.compiled)
    }
    if (missing.size === 0) return found
    const rows = await listPushRules(conn, [...missing.keys()])
    for (const row of rows) {
      const userId = missing.get(row.user_nid) as UserId
      const compiled = compilePushRules(userId, pushRulesetOf(userId, JSON.parse(row.rules) as PushRuleEdits))
      found.set(row.user_nid, compiled)
    }
    const { version } = this
    remember(conn, () => {
      if (version === this.version) for (const nid of missing.keys()) this.#rules.set(nid, { compiled: found.get(nid) })
    })
    return found
  }

  stop(): void {
    this.#unsubscribe()
  }
}
