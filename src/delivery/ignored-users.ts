import { ignoredBy } from '../rooms/ignored.ts'
import type { Changes } from '../store/changes.ts'
import type { Conn } from '../store/database.ts'
import { lru } from '../util/lru.ts'

/** Whom each user ignores, by row id; kept until something of the user changes. */
export class IgnoredUsers {
  readonly #known = lru<number, ReadonlySet<number>>(20_000)
  readonly #unsubscribe: () => void
  #version = 0

  constructor(changes: Pick<Changes, 'subscribe'>) {
    this.#unsubscribe = changes.subscribe(({ userNids, everything }) => {
      if (everything) this.#known.clear()
      else if (userNids === undefined || userNids.length === 0) return
      else for (const nid of userNids) this.#known.delete(nid)
      this.#version++
    })
  }

  async of(conn: Conn, userNid: number): Promise<ReadonlySet<number>> {
    const known = this.#known.get(userNid)
    if (known !== undefined) return known
    const version = this.#version
    const ignored = await ignoredBy(conn, userNid)
    // what changed while it was read may be missing in it
    if (version === this.#version) this.#known.set(userNid, ignored)
    return ignored
  }

  stop(): void {
    this.#unsubscribe()
  }
}
