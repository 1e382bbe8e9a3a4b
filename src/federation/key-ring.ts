import type { RoomEvent } from '../protocol/event.ts'
import type { EventId, KeyId, ServerName } from '../protocol/ids.ts'
import { parseKeyId } from '../protocol/ids.ts'
import type { JsonObject } from '../protocol/json-types.ts'
import { essentialJson } from '../protocol/redact.ts'
import { requiredSigners } from '../protocol/required-signers.ts'
import { signatureOf, signingKeyIds, signJson, verifyJson } from '../protocol/sign.ts'
import { verifyRequest, type FederationRequest, type XMatrix } from '../protocol/x-matrix.ts'
import type { Database } from '../store/database.ts'
import { listServerKeys, putServerKeys, type ServerKey } from '../store/server-keys.ts'
import { backoffMs } from '../util/backoff.ts'
import type { Log } from '../util/log.ts'
import type { Clock, Random } from '../util/ports.ts'
import { Semaphore, SemaphoreFull } from '../util/semaphore.ts'
import { isUsable, mergeDocument, own, type KeyUse } from './key-cache.ts'
import { makeKeyDocument, type KeyDocument } from './key-document.ts'
import { fetchOwnDocument, Notary } from './key-fetch.ts'
import type { OwnKeys } from './signing-key.ts'
import type { TransportDeps } from './transport.ts'
import { verifyTexts, type SignedText } from './verify-texts.ts'
import { lru } from '../util/lru.ts'

/** Why something is not accepted; undefined where it is. */
export type Refusal = string | undefined

export interface KeyRingDeps extends TransportDeps {
  readonly serverName: ServerName
  readonly ownKeys: OwnKeys
  readonly database: Database
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly trustedKeyServers: readonly ServerName[]
  /** whether federation is switched on at all: without it only known keys count */
  readonly enabled: boolean
}

/** What is known of one server's keys. */
interface Entry {
  keys: ReadonlyMap<KeyId, ServerKey>
  /** no fetch before this, by the monotonic clock */
  nextFetchMs: number
  failures: number
  pending: Promise<void> | undefined
}

/** A server is asked again at most this often, however many unknown key ids are named. */
const againMs = 60_000
const failureBackoff = { initialMs: 20_000, maxMs: 1_800_000, jitter: 0.2 }
const fetchesAtOnce = 256
/** More strangers than these have their requests refused at once; they may come again. */
const mostStrangersWaiting = 1024
const documentMs = 24 * 3_600_000
const maxSignatures = 8

/** Public keys of servers: known ones, fetched ones, our own; and what is verified with them. */
export class KeyRing {
  readonly #deps: KeyRingDeps
  readonly #entries = lru<ServerName, Entry>(10_000)
  readonly #fetches = new Semaphore(fetchesAtOnce)
  /** Servers of which no key was ever seen: anybody can name those, and they must not hold up the others. */
  readonly #strangers = new Semaphore(fetchesAtOnce, mostStrangersWaiting)
  readonly #notaries: readonly Notary[]

  constructor(deps: KeyRingDeps) {
    this.#deps = deps
    const currentKey = async (notary: ServerName, keyId: KeyId) => {
      const use: KeyUse = { kind: 'request', atTs: deps.clock.now(), isValidityEnforced: true }
      return (await this.#findKeys(notary, [keyId], use, false))[0]?.publicKey
    }
    this.#notaries = deps.trustedKeyServers
      .filter((name) => name !== deps.serverName)
      .map((name) => new Notary(name, { ...deps, currentKey }))
  }

  /** Whether an event bears every signature that it must (server-server API, "Validating hashes and signatures on received events"). */
  async verifyEvent(event: RoomEvent): Promise<Refusal> {
    return (await this.verifyEvents([event])).get(event.eventId)
  }

  /** As `verifyEvent`, of many: servers are asked at the same time, each once. Events that pass have no entry. */
  async verifyEvents(events: readonly RoomEvent[]): Promise<Map<EventId, string>> {
    const signers = new Set(events.flatMap(requiredSigners))
    await this.#load([...signers].filter((name) => name !== this.#deps.serverName))
    const plans = await Promise.all(events.map((event) => this.#plan(event)))
    const texts = plans.flatMap((plan) => (typeof plan === 'string' ? [] : plan))
    const verdicts = await verifyTexts(texts)
    const refusals = new Map<EventId, string>()
    let at = 0
    for (const [index, plan] of plans.entries()) {
      const { eventId } = events[index] as RoomEvent
      if (typeof plan === 'string') refusals.set(eventId, plan)
      else {
        const isRight = verdicts.slice(at, at + plan.length).every(Boolean)
        at += plan.length
        if (!isRight) refusals.set(eventId, 'a signature is wrong')
      }
    }
    return refusals
  }

  /** Whether a request was signed by a key that its origin uses now. `header` is its X-Matrix header. */
  async verifyRequest(request: FederationRequest, header: XMatrix): Promise<Refusal> {
    const keyId = parseKeyId(header.key)
    if (keyId === undefined) return 'the key id is malformed'
    if (header.origin === this.#deps.serverName) return 'the origin is this server'
    const use: KeyUse = { kind: 'request', atTs: this.#deps.clock.now(), isValidityEnforced: true }
    const [key] = await this.#findKeys(header.origin, [keyId], use, true)
    if (key === undefined) return 'the key is not known'
    return verifyRequest(request, header, key.publicKey) ? undefined : 'the signature is wrong'
  }

  /** Whether a JSON object was signed by a key that the server uses now. */
  async verifyObject(object: JsonObject, server: ServerName): Promise<Refusal> {
    const use: KeyUse = { kind: 'request', atTs: this.#deps.clock.now(), isValidityEnforced: true }
    const keys = await this.#findKeys(server, signingKeyIds(object, server).slice(0, maxSignatures), use, true)
    if (keys.length === 0) return 'no signature by a known key'
    return keys.every(({ keyId, publicKey }) => verifyJson(object, server, keyId, publicKey))
      ? undefined
      : 'a signature is wrong'
  }

  /** Our own key document. */
  ownDocument(): JsonObject {
    const { serverName, ownKeys, clock } = this.#deps
    return makeKeyDocument(serverName, ownKeys.current, ownKeys.old, clock.now() + documentMs)
  }

  /**
   * Key documents of a server as a notary answers them: its own signature and ours. Fetched when there is none that is
   * valid at `minimumTs`, or when half of its time is over; what is known is better than nothing.
   */
  async notarised(server: ServerName, minimumTs: number): Promise<JsonObject[]> {
    const { serverName, ownKeys, clock } = this.#deps
    if (server === serverName) return [this.ownDocument()]
    const entry = await this.#entry(server)
    const now = clock.now()
    const isFresh = ({ expiredTs, validUntilTs, fetchedTs, source }: ServerKey) =>
      source === own &&
      expiredTs === null &&
      validUntilTs >= Math.max(minimumTs, now) &&
      (fetchedTs + validUntilTs) / 2 >= now
    if (![...entry.keys.values()].some(isFresh)) await this.#refresh(server, entry, new Map(), true)
    const texts = new Set(
      [...entry.keys.values()].filter(({ source }) => source === own).map(({ document }) => document),
    )
    return [...texts].map((text) => signJson(JSON.parse(text) as JsonObject, serverName, ownKeys.current))
  }

  /** What must be verified of an event, or why that cannot be. */
  async #plan(event: RoomEvent): Promise<SignedText[] | string> {
    const { version, pdu, originServerTs } = event
    const use: KeyUse = { kind: 'event', atTs: originServerTs, isValidityEnforced: version.enforceKeyValidity }
    const message = essentialJson(version, pdu)
    const texts: SignedText[] = []
    for (const signer of requiredSigners(event)) {
      const keyIds = signingKeyIds(pdu, signer).slice(0, maxSignatures)
      if (keyIds.length === 0) return `not signed by ${signer}`
      const keys = await this.#findKeys(signer, keyIds, use, true)
      if (keys.length === 0) return `no valid key of ${signer} is known`
      for (const { keyId, publicKey } of keys) {
        texts.push({ text: message, signature: signatureOf(pdu, signer, keyId) ?? '', publicKey })
      }
    }
    return texts
  }

  /** Those of the keys that may be used; the server, then notaries, are asked only when there is none. */
  async #findKeys(
    server: ServerName,
    keyIds: readonly KeyId[],
    use: KeyUse,
    asksNotaries: boolean,
  ): Promise<ServerKey[]> {
    if (keyIds.length === 0) return []
    if (server === this.#deps.serverName) return this.#ownKeys(keyIds, use)
    const entry = await this.#entry(server)
    const usable = () =>
      keyIds
        .map((keyId) => entry.keys.get(keyId))
        .filter((key) => key !== undefined && isUsable(key, use)) as ServerKey[]
    const known = usable()
    if (known.length > 0) return known
    await this.#refresh(server, entry, new Map(keyIds.map((keyId) => [keyId, use.atTs])), asksNotaries)
    return usable()
  }

  #ownKeys(keyIds: readonly KeyId[], use: KeyUse): ServerKey[] {
    const { current, old } = this.#deps.ownKeys
    const base = { source: own, fetchedTs: 0, document: '' }
    const keys: ServerKey[] = [
      { ...base, keyId: current.keyId, publicKey: current.publicKey, validUntilTs: Infinity, expiredTs: null },
      ...old.map((key) => ({ ...base, ...key, validUntilTs: key.expiredTs })),
    ]
    return keys.filter((key) => keyIds.includes(key.keyId) && isUsable(key, use))
  }

  async #entry(server: ServerName): Promise<Entry> {
    await this.#load([server])
    return this.#entries.get(server) ?? this.#put(server, [])
  }

  /** Brings what the database knows of servers into memory, by one query. */
  async #load(names: readonly ServerName[]): Promise<void> {
    const missing = names.filter((name) => !this.#entries.has(name))
    if (missing.length === 0) return
    const rows = await this.#deps.database.read((conn) => listServerKeys(conn, missing))
    for (const name of missing) if (!this.#entries.has(name)) this.#put(name, rows.get(name) ?? [])
  }

  #put(server: ServerName, keys: readonly ServerKey[]): Entry {
    const entry: Entry = {
      keys: new Map(keys.map((key) => [key.keyId, key])),
      nextFetchMs: -Infinity,
      failures: 0,
      pending: undefined,
    }
    this.#entries.set(server, entry)
    return entry
  }

  async #refresh(
    server: ServerName,
    entry: Entry,
    wish: ReadonlyMap<KeyId, number>,
    asksNotaries: boolean,
  ): Promise<void> {
    const { clock, enabled } = this.#deps
    if (entry.pending !== undefined) return entry.pending
    if (!enabled || clock.monotonic() < entry.nextFetchMs) return
    entry.pending = (entry.keys.size > 0 ? this.#fetches : this.#strangers)
      .run(() => this.#fetch(server, entry, wish, asksNotaries))
      .catch((error: unknown) => {
        // as if the key were not known
        if (!(error instanceof SemaphoreFull)) throw error
      })
      .finally(() => (entry.pending = undefined))
    return entry.pending
  }

  async #fetch(
    server: ServerName,
    entry: Entry,
    wish: ReadonlyMap<KeyId, number>,
    asksNotaries: boolean,
  ): Promise<void> {
    const { clock, random } = this.#deps
    const document = await fetchOwnDocument(this.#deps, server).catch(() => undefined)
    if (document !== undefined) await this.#learn(server, entry, document, own)
    const told = document === undefined ? 0 : 1
    const answers = asksNotaries && !this.#hasAny(entry, wish) ? await this.#askNotaries(server, wish) : []
    for (const { document: said, notary } of answers) await this.#learn(server, entry, said, notary)
    const isAnswered = told + answers.length > 0
    entry.failures = isAnswered ? 0 : entry.failures + 1
    entry.nextFetchMs = clock.monotonic() + (isAnswered ? againMs : backoffMs(failureBackoff, entry.failures, random))
  }

  #hasAny(entry: Entry, wish: ReadonlyMap<KeyId, number>): boolean {
    return [...wish].some(([keyId, atTs]) => {
      const key = entry.keys.get(keyId)
      return key !== undefined && isUsable(key, { kind: 'event', atTs, isValidityEnforced: true })
    })
  }

  async #askNotaries(
    server: ServerName,
    wish: ReadonlyMap<KeyId, number>,
  ): Promise<{ document: KeyDocument; notary: string }[]> {
    const answers = await Promise.all(
      this.#notaries
        .filter(({ name }) => name !== server)
        .map(async (notary) => ({ document: await notary.ask(server, wish), notary: notary.name })),
    )
    return answers.flatMap(({ document, notary }) => (document === undefined ? [] : [{ document, notary }]))
  }

  async #learn(server: ServerName, entry: Entry, document: KeyDocument, source: string): Promise<void> {
    const { clock, database, log } = this.#deps
    const merged = mergeDocument(entry.keys, document, source, clock.now())
    const changed = [...merged.values()].filter((key) => entry.keys.get(key.keyId) !== key)
    entry.keys = merged
    try {
      await database.write((tx) => putServerKeys(tx, server, changed))
    } catch (error) {
      log.error('keys of a server were not stored', { error })
    }
  }
}
