import type { Conn } from '../store/database.ts'
import { listAuthEdges } from '../store/events.ts'
import { unpackNids } from '../store/packed.ts'
import type { AuthNode, Caches } from './caches.ts'
import { remember } from './caches.ts'

const none: AuthNode = { stateKeyNid: null, edges: new Float64Array(0), isRejected: false }

/** Auth edges of stored state events and of everything that they reach, loaded set by set. */
export class AuthGraphReader {
  readonly #caches: Caches
  readonly #conn: Conn
  readonly #nodes = new Map<number, AuthNode>()
  /** Those of which everything that they reach is loaded. */
  readonly #complete = new Set<number>()

  constructor(caches: Caches, conn: Conn) {
    this.#caches = caches
    this.#conn = conn
  }

  /** Loads these events and all that they reach, down to the row id `floor`. */
  async load(nids: Iterable<number>, floor = 0): Promise<void> {
    const visited = new Set<number>()
    const visit = (nid: number, into: number[]) => {
      if (nid < floor || visited.has(nid) || this.#complete.has(nid)) return
      visited.add(nid)
      into.push(nid)
    }
    let wanted: number[] = []
    for (const nid of nids) visit(nid, wanted)
    while (wanted.length > 0) {
      await this.#fetch(wanted.filter((nid) => !this.#nodes.has(nid)))
      const next: number[] = []
      for (const nid of wanted) for (const edge of this.node(nid).edges) visit(edge, next)
      wanted = next
    }
    if (floor === 0) for (const nid of visited) this.#complete.add(nid)
  }

  async #fetch(nids: readonly number[]): Promise<void> {
    const missing: number[] = []
    for (const nid of nids) {
      const known = this.#caches.auth.get(nid)
      if (known === undefined) missing.push(nid)
      else this.#nodes.set(nid, known)
    }
    if (missing.length === 0) return
    for (const row of await listAuthEdges(this.#conn, missing)) {
      const node: AuthNode = {
        stateKeyNid: row.stateKeyNid,
        edges: Float64Array.from(unpackNids(row.edges)),
        isRejected: row.rejected !== null,
      }
      this.#nodes.set(row.nid, node)
      remember(this.#conn, () => this.#caches.auth.set(row.nid, node))
    }
  }

  /** What is known of a loaded event; nothing of one that is not stored. */
  node(nid: number): AuthNode {
    return this.#nodes.get(nid) ?? none
  }

  /** Everything loaded so far, as row ids. */
  get loaded(): IterableIterator<number> {
    return this.#nodes.keys()
  }

  readonly edges = (nid: number): ArrayLike<number> => this.node(nid).edges
}

/**
 * The auth chain of stored events, as row ids, ascending: everything that they reach along auth edges, without
 * themselves unless one reaches another. Works on packed edges, so message events have none: name their auth events.
 */
export async function authChainOf(
  deps: { readonly roomCache: { readonly caches: Caches } },
  conn: Conn,
  eventNids: Iterable<number>,
): Promise<number[]> {
  const reader = new AuthGraphReader(deps.roomCache.caches, conn)
  const roots = [...new Set(eventNids)]
  await reader.load(roots)
  const chain = new Set<number>()
  for (const nid of reader.loaded) for (const edge of reader.node(nid).edges) chain.add(edge)
  return [...chain].sort((a, b) => a - b)
}
