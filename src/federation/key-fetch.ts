import type { KeyId, ServerName } from '../protocol/ids.ts'
import { isJsonObject, memberOf } from '../protocol/json.ts'
import type { Json, JsonObject } from '../protocol/json-types.ts'
import { verifyJson } from '../protocol/sign.ts'
import { parseKeyDocument, type KeyDocument } from './key-document.ts'
import { fetchJson, type TransportDeps } from './transport.ts'

const deadlineMs = 10_000
const directBytes = 256 * 1024
const notaryBytes = 4 * 1024 * 1024
const batchMs = 50
const batchMost = 100

/** Which keys of a server are wanted, and until when they should be valid at least. */
export type KeyWish = ReadonlyMap<KeyId, number>

/** Asks a server for its own key document. Throws FederationError; undefined where the answer is no such document. */
export async function fetchOwnDocument(deps: TransportDeps, server: ServerName): Promise<KeyDocument | undefined> {
  const request = { method: 'GET', target: '/_matrix/key/v2/server', deadlineMs, maxBytes: directBytes } as const
  return parseKeyDocument(await fetchJson(deps, server, request), server)
}

interface Waiting {
  readonly server: ServerName
  readonly wish: KeyWish
  readonly resolve: (document: KeyDocument | undefined) => void
}

export interface NotaryDeps extends TransportDeps {
  readonly clock: { setTimer(ms: number, fn: () => void): () => void }
  /** the public key of a notary, when it is in use now */
  readonly currentKey: (notary: ServerName, keyId: KeyId) => Promise<string | undefined>
}

/** A trusted key server; questions that come close together go out as one. */
export class Notary {
  readonly name: ServerName
  readonly #deps: NotaryDeps
  #waiting: Waiting[] = []

  constructor(name: ServerName, deps: NotaryDeps) {
    this.name = name
    this.#deps = deps
  }

  /** What the notary has of a server, if it and the server signed it. Never throws: a notary may be down. */
  ask(server: ServerName, wish: KeyWish): Promise<KeyDocument | undefined> {
    return new Promise((resolve) => {
      this.#waiting.push({ server, wish, resolve })
      if (this.#waiting.length === 1) this.#deps.clock.setTimer(batchMs, () => void this.#flush())
      else if (this.#waiting.length >= batchMost) void this.#flush()
    })
  }

  async #flush(): Promise<void> {
    const batch = this.#waiting
    this.#waiting = []
    if (batch.length === 0) return
    let found = new Map<ServerName, KeyDocument>()
    try {
      found = await this.#query(batch)
    } catch {
      // as if it knew nothing
    }
    for (const { server, resolve } of batch) resolve(found.get(server))
  }

  async #query(batch: readonly Waiting[]): Promise<Map<ServerName, KeyDocument>> {
    const wanted = new Map<ServerName, Record<string, JsonObject>>()
    for (const { server, wish } of batch) {
      const keys = wanted.get(server) ?? {}
      for (const [keyId, ts] of wish) keys[keyId] = { minimum_valid_until_ts: ts }
      wanted.set(server, keys)
    }
    const body = JSON.stringify({ server_keys: Object.fromEntries(wanted) })
    const request = {
      method: 'POST',
      target: '/_matrix/key/v2/query',
      body,
      deadlineMs,
      maxBytes: notaryBytes,
    } as const
    const answer = await fetchJson(this.#deps, this.name, request)
    const list = isJsonObject(answer) ? memberOf(answer, 'server_keys') : undefined
    const found = new Map<ServerName, KeyDocument>()
    for (const value of Array.isArray(list) ? (list as readonly Json[]).slice(0, 2 * batchMost) : []) {
      const document = await this.#accept(value, wanted)
      if (document === undefined) continue
      const known = found.get(document.server)
      if (known === undefined || known.validUntilTs < document.validUntilTs) found.set(document.server, document)
    }
    return found
  }

  /** Only documents of servers that were asked for, signed by their server and by the notary. */
  async #accept(value: Json, wanted: ReadonlyMap<ServerName, unknown>): Promise<KeyDocument | undefined> {
    if (!isJsonObject(value)) return undefined
    const server = memberOf(value, 'server_name') as ServerName
    if (!wanted.has(server)) return undefined
    const signatures = memberOf(value, 'signatures')
    const ofNotary = isJsonObject(signatures) ? memberOf(signatures, this.name) : undefined
    for (const keyId of isJsonObject(ofNotary) ? (Object.keys(ofNotary).slice(0, 8) as KeyId[]) : []) {
      const publicKey = await this.#deps.currentKey(this.name, keyId)
      if (publicKey !== undefined && verifyJson(value, this.name, keyId, publicKey))
        return parseKeyDocument(value, server)
    }
    return undefined
  }
}
