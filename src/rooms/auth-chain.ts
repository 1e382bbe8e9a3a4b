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

  constructor(caches: Caches, conn: Conn) {
    this.#caches = caches
    this.#conn = conn
  }

  /** Loads these events and, unless `depth` is 1, all that they reach. */
  async load(nids: Iterable<number>, depth = Infinity): Promise<void> {
    let wanted = this.#unknown(nids)
    for (let level = 0; level < depth && wanted.length > 0; level++) {
      const next = new Set<number>()
      for (const node of await this.#fetch(wanted)) for (const edge of node.edges) if (!this.#nodes.has(edge)) next.add(edge)
      wanted = [...next]
    }
  }

  #unknown(nids: Iterable<number>): number[] {
    const unknown = new Set<number>()
    for (const nid of nids) if (!this.#nodes.has(nid)) unknown.add(nid)
    return [...unknown]
  }

  async #fetch(nids: readonly number[]): Promise<AuthNode[]> {
    const found: AuthNode[] = []
    const missing: number[] = []
    for (const nid of nids) {
      const known = this.#caches.auth.get(nid)
      if (known === undefined) missing.push(nid)
      else {
        this.#nodes.set(nid, known)
        found.push(known)
      }
    }
    if (missing.length === 0) return found
    for (const row of await listAuthEdges(this.#conn, missing)) {
      const node: AuthNode = {
        stateKeyNid: row.stateKeyNid,
        edges: Float64Array.from(unpackNids(row.edges)),
        isRejected: row.rejected !== null,
      }
      this.#nodes.set(row.nid, node)
      remember(this.#conn, () => this.#caches.auth.set(row.nid, node))
      found.push(node)
    }
    return found
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
