import { Session } from 'node:inspector/promises'
import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { makeConfig } from '../../src/cli/config/make.ts'
import type { RoomId, UserId } from '../../src/protocol/ids.ts'
import { appendLocal } from '../../src/rooms/append-local.ts'
import { startRoom } from '../../src/rooms/new-room.ts'
import { sendEvent } from '../../src/rooms/send.ts'
import { findRoomVersion } from '../../src/protocol/room-version.ts'
import type { RoomVersion } from '../../src/protocol/room-version.ts'
import type { Composed } from '../../src/server/compose.ts'
import { compose } from '../../src/server/compose.ts'
import { insertAccount } from '../../src/store/accounts.ts'
import type { Tx } from '../../src/store/database.ts'
import { putUser } from '../../src/store/users.ts'
import { testDatabase } from './postgres-database.ts'

const version = findRoomVersion('11') as RoomVersion

/** Where an engine under measure keeps its events. */
export type Ground = 'SQLite durable' | 'SQLite relaxed' | 'PostgreSQL'

/** A user, and the rooms that the user sends to in turn. */
export interface Sender {
  readonly id: UserId
  readonly rooms: readonly RoomId[]
}

/** A whole server without listeners, whose engine is called directly. */
export class EngineBench {
  readonly composed: Composed
  readonly #folder: string

  static async start(ground: Ground): Promise<EngineBench> {
    const folder = mkdtempSync(join(tmpdir(), 'lethe-engine-'))
    const postgres = process.env['LETHE_TEST_POSTGRES'] ?? ''
    const database =
      ground === 'PostgreSQL'
        ? { engine: 'postgres', url: await testDatabase(postgres) }
        : { durability: ground === 'SQLite relaxed' ? 'relaxed' : 'durable' }
    const config = makeConfig({
      server_name: 'a.test',
      public_base_url: 'https://a.test',
      data_dir: folder,
      listeners: [],
      database,
    })
    const composed = await compose(config)
    await composed.start()
    return new EngineBench(composed, folder)
  }

  private constructor(composed: Composed, folder: string) {
    this.composed = composed
    this.#folder = folder
  }

  /** Accounts `@<prefix><n>:a.test`. */
  async users(prefix: string, count: number): Promise<UserId[]> {
    const ids = Array.from({ length: count }, (_, i): UserId => `@${prefix}${i}:a.test`)
    for (let at = 0; at < count; at += 100)
      await this.composed.deps.database.write(async (tx) => {
        for (const id of ids.slice(at, at + 100)) {
          const userNid = await putUser(tx, id)
          await insertAccount(tx, { userNid, password: undefined, kind: 'user', admin: false, ts: 1 })
        }
      })
    return ids
  }

  /** A public room of the first user, which all have joined. */
  async room(name: string, members: readonly UserId[]): Promise<RoomId> {
    const { deps } = this.composed
    const [creator] = members as [UserId]
    const roomId: RoomId = `!${name}:a.test`
    const state = (type: string, content: object) => ({ type, stateKey: '', content: { ...content }, sender: creator })
    await deps.database.write(async (tx) => {
      const draft = state('m.room.create', { room_version: version.id })
      let { room } = await startRoom(tx, deps, { version, roomId, draft })
      for (const each of [
        this.#join(creator),
        state('m.room.power_levels', { users: { [creator]: 100 } }),
        state('m.room.join_rules', { join_rule: 'public' }),
      ])
        ({ room } = await appendLocal(tx, deps, room, each))
    })
    for (let at = 1; at < members.length; at += 50)
      await this.#write(
        roomId,
        members.slice(at, at + 50).map((id) => this.#join(id)),
      )
    return roomId
  }

  #join(id: UserId, content: object = {}) {
    return { type: 'm.room.member', stateKey: id, content: { membership: 'join', ...content }, sender: id }
  }

  async #write(roomId: RoomId, drafts: readonly Parameters<typeof appendLocal>[3][]): Promise<void> {
    // whom a change of a room notifies is asked of all its members: it leaves no bytes, and is not what is measured here
    const { notify: _notify, ...deps } = this.composed.deps
    await deps.database.write(async (tx: Tx) => {
      let room = await deps.roomCache.forWrite(tx, roomId)
      for (const draft of drafts) ({ room } = await appendLocal(tx, deps, room, draft))
    })
  }

  /** Members change their names, one after another. */
  async rename(roomId: RoomId, members: readonly UserId[], tag: string): Promise<void> {
    for (let at = 0; at < members.length; at += 50)
      await this.#write(
        roomId,
        members.slice(at, at + 50).map((id) => this.#join(id, { displayname: `Name of a member ${tag}` })),
      )
  }

  /**
   * Each sender sends, waits until it is stored, and sends again, in the sender's rooms in turn; ends at `until` or after
   * `most` in all. Gives how many were sent.
   */
  async send(
    senders: readonly Sender[],
    tag: string,
    { until = Infinity, most = Infinity }: { readonly until?: number; readonly most?: number },
  ): Promise<number> {
    let sent = 0
    await Promise.all(
      senders.map(async ({ id, rooms }, s) => {
        for (let i = 0; sent < most && performance.now() < until; i++) {
          sent++
          const body = `message ${i} of a benchmark that writes ordinary sentences`
          await sendEvent(this.composed.deps, {
            roomId: rooms[i % rooms.length] as RoomId,
            draft: { type: 'm.room.message', content: { msgtype: 'm.text', body }, sender: id },
            transaction: { deviceId: 'BENCHMARK', txnId: `${tag}${s}.${i}` },
          })
        }
      }),
    )
    return sent
  }

  /** Bytes of the rewritten database file, with all of the log moved into it. SQLite only. */
  async bytes(): Promise<number> {
    await this.composed.deps.database.rewrite()
    return statSync(this.composed.deps.config.database.path).size
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.composed.beginStop()
    await this.composed.close()
    rmSync(this.#folder, { recursive: true, force: true })
  }
}

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void

/** Bytes in use after a collection of garbage. */
export function usedBytes(): number {
  collect()
  collect()
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}

/** Parts of an event's way, and what tells that time was spent in them: the innermost frame that fits decides. */
const stages: readonly (readonly [stage: string, fits: RegExp])[] = [
  ['idle', /^\(idle\)/],
  ['sign', /crypto\/sig|signText/],
  ['hash', /crypto\/hash|protocol\/hash\./],
  ['commit', /sqlite-driver|group-commit|durability|sqlite-threads|write-tx|postgres-driver/],
  ['SQL', /store\/|better-sqlite3|node_modules\/pg/],
  ['canonical', /canonical-json|seal-event|redact\.ts|make-event|event-format|json-oddities/],
  ['parse', /protocol\/(json|parse-event)/],
  ['auth', /protocol\/auth|protocol\/power-levels|rooms\/(build|auth-state|sender|append-local)/],
  ['state', /rooms\/(layers|room-cache|state|current-state|extremities|resolve|caches)/],
  ['rest', /./],
]

/** Microseconds an event by stage, of the main thread while `work` ran, which gives how many events that were. */
export async function microsecondsByStage(work: () => Promise<number>): Promise<Map<string, number>> {
  const session = new Session()
  session.connect()
  await session.post('Profiler.enable')
  await session.post('Profiler.setSamplingInterval', { interval: 250 })
  await session.post('Profiler.start')
  const events = await work()
  const { profile } = await session.post('Profiler.stop')
  session.disconnect()
  const stageOf = new Map<number, string>()
  const visit = (node: (typeof profile.nodes)[number], parent: string): void => {
    const { functionName, url } = node.callFrame
    const own = stages.find(([, fits]) => fits.test(`${functionName} ${url}`))?.[0] ?? 'rest'
    // native functions and runtime code count for their caller
    const isForeign = own === 'rest' && !url.includes('/src/') && functionName !== '(garbage collector)'
    const stage = isForeign ? parent : own
    stageOf.set(node.id, stage)
    for (const id of node.children ?? []) visit(nodes.get(id) as typeof node, stage)
  }
  const nodes = new Map(profile.nodes.map((node) => [node.id, node]))
  visit(profile.nodes[0] as (typeof profile.nodes)[number], 'rest')
  const spent = new Map<string, number>(stages.map(([stage]) => [stage, 0]))
  for (const [i, id] of (profile.samples ?? []).entries()) {
    const stage = stageOf.get(id) ?? 'rest'
    spent.set(stage, (spent.get(stage) ?? 0) + (profile.timeDeltas?.[i] ?? 0))
  }
  return new Map([...spent].filter(([stage]) => stage !== 'idle').map(([stage, us]) => [stage, us / events]))
}
