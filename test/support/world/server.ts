import { join } from 'node:path'
import { makeConfig } from '../../../src/cli/config/make.ts'
import type { App } from '../../../src/http/mount.ts'
import type { ServerName } from '../../../src/protocol/ids.ts'
import type { Answer } from '../../../src/http/answer.ts'
import type { Call } from '../../../src/http/call.ts'
import { createApp } from '../../../src/server.ts'
import { signHere } from '../../../src/rooms/signer.ts'
import { compose } from '../../../src/server/compose.ts'
import type { Composed } from '../../../src/server/compose.ts'
import type { Config } from '../../../src/util/config.ts'
import type { Log } from '../../../src/util/log.ts'
import { silentLog } from '../../../src/util/log.ts'
import { Disk } from './disk.ts'
import type { Host, HostNet, WorldNetwork } from './network.ts'
import type { Seeded } from './seeded.ts'
import { OwnClock, ended } from './time.ts'
import type { WorldTime } from './time.ts'

/** What the servers of a world share. */
export interface Surroundings {
  readonly time: WorldTime
  readonly network: WorldNetwork
  readonly random: Seeded
  /** folders of the servers */
  readonly folder: string
  /** tells what happened, for whoever looks into a failure */
  note(line: string): void
  /** something that must never happen */
  fault(line: string): void
}

interface Life {
  readonly composed: Composed
  readonly app: App
  readonly disk: Disk
  readonly clock: OwnClock
  readonly net: HostNet
}

const configs = new Map<string, Config>()

function configOf(name: string, folder: string): Config {
  let config = configs.get(folder)
  if (config === undefined) {
    config = makeConfig({
      server_name: name,
      public_base_url: `https://${name}`,
      data_dir: folder,
      listeners: [],
      registration: { enabled: true, flows: ['dummy'] },
      passwords: { bcrypt_cost: 4, allow_weak_hash: true },
      rate_limits: { enabled: false },
      federation: { retry: { initial: '1s', max: '60s' } },
    })
    configs.set(folder, config)
  }
  return config
}

/** A whole server of a world, which can be killed and started again. */
export class WorldServer implements Host {
  readonly name: ServerName
  readonly #around: Surroundings
  readonly #random: Seeded
  readonly #skewMs: number
  /** with what each would still have done */
  readonly #dead: { life: Life; left: (() => void)[] }[] = []
  #generation = 0
  #disk: Disk
  #life: Life | undefined
  readonly onCrash = new Set<() => void>()

  constructor(around: Surroundings, name: string, skewMs = 0) {
    this.name = name as ServerName
    this.#around = around
    this.#random = around.random.fork(name)
    this.#skewMs = skewMs
    this.#disk = this.#nextDisk()
    around.network.add(this)
  }

  #nextDisk(): Disk {
    const { time, folder } = this.#around
    const generation = this.#generation++
    return new Disk(
      time,
      this.#random.fork(`disk ${generation}`),
      join(folder, this.name.replace(':', '_'), `${generation}`),
    )
  }

  incarnation(): object | undefined {
    return this.#life
  }

  get isUp(): boolean {
    return this.#life !== undefined
  }

  get composed(): Composed {
    if (this.#life === undefined) throw new Error(`${this.name} is down`)
    return this.#life.composed
  }

  /** Takes the files of an earlier world. */
  load(folder: string): void {
    this.#disk.copyFrom(folder)
  }

  get folder(): string {
    return this.#disk.folder
  }

  answer(call: Call): Promise<Answer> {
    if (this.#life === undefined) throw new Error('it is down')
    return this.#life.app.answer(call)
  }

  async start(): Promise<void> {
    const { time, network } = this.#around
    const disk = this.#disk
    await time.hold(async () => {
      const clock = new OwnClock(time, this.#skewMs)
      const random = this.#random.fork(`start ${this.#generation}`)
      const life: { -readonly [K in keyof Life]?: Life[K] } = { disk, clock }
      const net = network.netFor(this, life)
      const fatal = (error: Error) => this.#around.fault(`${this.name} would have ended: ${error.message}`)
      const composed = await compose(configOf(this.name, disk.folder), {
        clock,
        random,
        net,
        dns: network.dns,
        log: this.#log(life),
        onFatal: fatal,
        fileWork: disk.fileWork,
        signer: signHere,
      })
      Object.assign(life, { composed, net, app: createApp(composed.deps) })
      this.#life = life as Life
      await composed.start()
      disk.isInstant = false
    })
    this.#around.note(`${this.name} started`)
  }

  #log(life: object): Log {
    const tell = (message: string, fields?: object) => {
      if (this.#life !== life && this.#life !== undefined) return
      const error = (fields as { error?: unknown } | undefined)?.error
      const detail = error instanceof Error ? ` ${error.stack}` : ''
      this.#around.fault(`${this.name} logged: ${message}${detail}`)
    }
    const note = (message: string, fields?: object) =>
      this.#around.note(`${this.name}: ${message} ${JSON.stringify(fields ?? {})}`)
    const log: Log = { ...silentLog, debug: note, info: note, warn: note, error: tell, fatal: tell, child: () => log }
    return log
  }

  /** Calls back in the middle of the next sync: some commits are made, and not on disk. */
  duringSync(fn: () => void): void {
    const disk = this.#disk
    disk.onSync = (takesMs) => {
      disk.onSync = undefined
      this.#around.time.after(this.#random.integer(takesMs + 1), fn)
    }
  }

  /** The server is gone in the middle of whatever it did; its disk is as the fault leaves it. */
  crash(how: 'kill' | 'power'): void {
    const life = this.#life
    if (life === undefined) return
    const { time } = this.#around
    this.#life = undefined
    life.net.abandon()
    this.#dead.push({ life, left: time.forget(life.clock, life.disk, life) })
    this.#disk = this.#nextDisk()
    life.disk.crashInto(this.#disk, how)
    for (const lost of this.onCrash) lost()
    this.onCrash.clear()
  }

  /** Ends it in good order. */
  async stop(): Promise<void> {
    const life = this.#life
    if (life === undefined) return
    await this.#end(life)
    this.#life = undefined
  }

  /** Closes what every start of it left open. */
  async dispose(): Promise<void> {
    await this.stop()
    for (const { life, left } of this.#dead.splice(0)) await this.#end(life, left)
  }

  async #end({ composed, net, disk, clock }: Life, left: readonly (() => void)[] = []): Promise<void> {
    const { time } = this.#around
    disk.isInstant = true
    composed.beginStop()
    net.sever()
    for (const fn of left) time.after(0, fn, clock)
    await ended(time, composed.close())
  }
}
