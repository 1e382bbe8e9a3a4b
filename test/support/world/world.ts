import { cpSync, mkdirSync, mkdtempSync, existsSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { UserId } from '../../../src/protocol/ids.ts'
import { listWaitingDestinations } from '../../../src/store/outbound.ts'
import { listStagedRooms } from '../../../src/store/staged.ts'
import { WorldNetwork } from './network.ts'
import { Person } from './person.ts'
import type { Login } from './person.ts'
import { makeThreadsInline } from './quiet.ts'
import { Seeded } from './seeded.ts'
import { WorldServer } from './server.ts'
import type { Surroundings } from './server.ts'
import { WorldTime } from './time.ts'
import { syncPath } from './tracker.ts'

/** A room that a template has. */
export interface TemplateRoom {
  readonly id: string
  readonly version: string
  /** its live timeline on each server, oldest first, by the server's name */
  readonly timelines: ReadonlyMap<string, readonly string[]>
  /** the ids of all its events on any server */
  readonly eventIds: ReadonlySet<string>
}

/** A world to begin with: the files of servers at rest, their users and rooms. */
export interface Template {
  readonly folder: string
  readonly names: readonly string[]
  readonly logins: readonly Login[]
  readonly rooms: readonly TemplateRoom[]
}

/** A folder in memory where there is one: nothing here survives the process. */
export function makeFolder(): string {
  return mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'lethe-world-'))
}

/** Whole servers in this process, their clock, their network and their disks, all driven by one seed. */
export class World implements Surroundings {
  readonly time = new WorldTime()
  readonly random: Seeded
  readonly network: WorldNetwork
  readonly folder: string
  readonly servers: WorldServer[] = []
  readonly people: Person[] = []
  readonly notes: string[] = []
  readonly faults: string[] = []
  /** no fault happens any more */
  isHealed = false

  constructor(label: string, folder: string) {
    makeThreadsInline()
    this.random = new Seeded(label)
    this.network = new WorldNetwork(this.time, this.random.fork('network'))
    this.folder = folder
  }

  note(line: string): void {
    this.notes.push(`${this.time.nowMs} ${line}`)
  }

  fault(line: string): void {
    this.note(`FAULT ${line}`)
    this.faults.push(line)
  }

  /** Starts servers as a template has them. */
  async begin(template: Template): Promise<void> {
    for (const name of template.names) {
      const server = this.addServer(name, this.random.between(-120_000, 120_000))
      server.load(join(template.folder, name.replace(':', '_')))
      await this.time.until(server.start())
    }
    for (const { id, server, token } of template.logins)
      this.people.push(new Person(this.time, this.server(server), id, token))
  }

  addServer(name: string, skewMs = 0): WorldServer {
    const server = new WorldServer(this, name, skewMs)
    this.servers.push(server)
    return server
  }

  server(name: string): WorldServer {
    const found = this.servers.find((server) => server.name === name)
    if (found === undefined) throw new Error(`no server ${name}`)
    return found
  }

  person(id: string): Person {
    const found = this.people.find((person) => person.id === id)
    if (found === undefined) throw new Error(`nobody is ${id}`)
    return found
  }

  /** Starts a server again; what fails then is a fault. */
  restart(server: WorldServer): void {
    server.start().catch((error: unknown) => this.fault(`${server.name} does not start: ${String(error)}`))
  }

  /** Makes a user by way of registration. */
  async register(server: WorldServer, localpart: string): Promise<Person> {
    const person = new Person(this.time, server, `@${localpart}:${server.name}` as UserId)
    const auth = { type: 'm.login.dummy' }
    const made = await person.ok('POST', '/register', { username: localpart, password: 'correct horse', auth })
    person.token = made.access_token as string
    this.people.push(person)
    return person
  }

  /** Lets time pass until nothing is under way and nothing waits to be sent. Throws when that takes too long. */
  async settle(mostMs = 900_000): Promise<void> {
    const endMs = this.time.nowMs + mostMs
    let calm = 0
    while (calm < 2) {
      await this.time.run(500)
      calm = this.network.underway === 0 && (await this.#isDrained()) ? calm + 1 : 0
      if (this.time.nowMs > endMs) throw new Error(`queues do not drain: ${await this.#whatWaits()}`)
    }
  }

  async #isDrained(): Promise<boolean> {
    return (await this.#whatWaits()) === ''
  }

  async #whatWaits(): Promise<string> {
    const waits: string[] = []
    for (const { name, composed, isUp } of this.servers) {
      if (!isUp) continue
      const { database } = composed.deps
      const destinations = await database.read(listWaitingDestinations)
      const others = destinations.filter((each) => each.name !== name).map((each) => each.name)
      const staged = await database.read(listStagedRooms)
      if (others.length > 0) waits.push(`${name} -> ${others.join()}`)
      if (staged.length > 0) waits.push(`${name} has staged events`)
    }
    return waits.join('; ')
  }

  /** Lets everybody sync for the first time, stops the servers and keeps their files as a template. */
  async save(folder: string, rooms: readonly TemplateRoom[]): Promise<Template> {
    const logins: Login[] = []
    for (const person of this.people) {
      const synced = await person.ok('GET', syncPath(undefined, 0, 1))
      logins.push({ id: person.id, server: person.server.name, token: person.token as string, synced })
    }
    await this.settle()
    for (const server of this.servers) {
      await server.stop()
      const kept = join(folder, server.name.replace(':', '_'))
      mkdirSync(kept, { recursive: true })
      cpSync(server.folder, kept, { recursive: true })
    }
    return { folder, names: this.servers.map(({ name }) => name), logins, rooms }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const server of this.servers) await server.dispose()
  }

  /** Removes what `makeFolder` made. */
  static remove(folder: string): void {
    rmSync(folder, { recursive: true, force: true })
  }
}
