import { act, eraseAccount, peaceful, usual } from './actions.ts'
import type { Action, Stage } from './actions.ts'
import * as invariants from './invariants.ts'
import { fair } from './network.ts'
import type { Weather } from './network.ts'
import { listIntruders, readCopy } from './rows.ts'
import type { Copy } from './rows.ts'
import type { Seeded } from './seeded.ts'
import { checkSync, checkSyncedState } from './sync-invariants.ts'
import { Tracker } from './tracker.ts'
import { World } from './world.ts'
import type { Template, TemplateRoom } from './world.ts'

const weathers: Readonly<Record<string, Weather>> = {
  fair,
  slow: { delayMs: [20, 900], loseRequest: 0, loseAnswer: 0, duplicate: 0.05, slow: 0 },
  rain: { delayMs: [5, 400], loseRequest: 0.05, loseAnswer: 0.05, duplicate: 0.1, slow: 0.02 },
  storm: { delayMs: [5, 3_000], loseRequest: 0.2, loseAnswer: 0.15, duplicate: 0.2, slow: 0.1 },
}

/** What came of a schedule. */
export interface Outcome {
  readonly wrongs: readonly string[]
  readonly notes: readonly string[]
  /** all that happened: notes, every delivery of the network, and what each server has in the end */
  readonly trace: readonly string[]
  /** people, rooms and faults, for whoever looks at many */
  readonly acked: number
  readonly fired: number
}

/** Plays the schedule of a seed from a template, heals the world, and says what is wrong then. */
export async function playSchedule(seed: number, templates: readonly Template[], folder: string): Promise<Outcome> {
  const world = new World(`schedule ${seed}`, folder)
  const wrongs: string[] = []
  try {
    const random = world.random.fork('plan')
    const template = random.pick(templates)
    await world.begin(template)
    const begun = [random.pick(template.rooms), random.pick(template.rooms)]
    const rooms = begun.map(({ id }) => id)
    const stage: Stage = {
      world,
      random,
      rooms,
      trackers: trackAll(world, template, begun),
      acked: [],
      before: new Set(begun.flatMap(({ eventIds }) => [...eventIds])),
      erased: [],
      pending: 0,
      count: 0,
    }
    planActions(stage, random)
    planFaults(world, random)
    planErasure(stage, world.random.fork('erasure'))
    await world.time.run(70_000)
    await heal(stage)
    await check(stage, wrongs)
    wrongs.push(...world.faults)
    const trace = [...world.notes, ...world.network.log, ...(await endOf(world, rooms))]
    return { wrongs, notes: [...world.notes], trace, acked: stage.acked.length, fired: world.time.fired }
  } catch (error) {
    wrongs.push(...world.faults, error instanceof Error ? String(error.stack) : String(error))
    const trace = [...world.notes, ...world.network.log]
    return { wrongs, notes: [...world.notes], trace, acked: 0, fired: world.time.fired }
  } finally {
    await world[Symbol.asyncDispose]()
  }
}

/** What every server has of the rooms, as text. */
async function endOf(world: World, rooms: readonly string[]): Promise<string[]> {
  const lines: string[] = []
  for (const server of world.servers)
    for (const room of new Set(rooms)) {
      const copy = await readCopy(server, room)
      if (copy === undefined) continue
      lines.push(`${server.name} ${room} ${copy.extremities.join()} ${JSON.stringify([...copy.state])}`)
      lines.push(...[...copy.events.values()].map((row) => JSON.stringify(row)))
    }
  return lines
}

/** Everybody's client, where it was when the template was made. */
function trackAll(world: World, template: Template, rooms: readonly TemplateRoom[]): Stage['trackers'] {
  const trackers = new Map<World['people'][number], Tracker>()
  for (const { id, server, synced } of template.logins) {
    const tracker = new Tracker(world.person(id))
    const timelines = rooms.map((room) => [room.id, room.timelines.get(server) ?? []] as const)
    tracker.begin(synced.next_batch, new Map(timelines), synced)
    trackers.set(tracker.person, tracker)
  }
  return trackers
}

function planActions(stage: Stage, random: Seeded): void {
  const { time } = stage.world
  const weights = (random.chance(0.4) ? peaceful : usual) as Record<Action, number>
  const spanMs = random.pick([400, 5_000, 60_000])
  for (let left = random.between(10, 35); left > 0; left--) {
    const action = random.weighted(weights)
    time.after(random.integer(spanMs), () => act(stage, action))
  }
}

/** In some schedules one of those who have made no room is erased. */
function planErasure(stage: Stage, random: Seeded): void {
  if (!random.chance(0.15)) return
  const person = random.pick(stage.world.people.slice(1))
  stage.world.time.after(random.integer(40_000), () => eraseAccount(stage, person))
}

function planFaults(world: World, random: Seeded): void {
  const { network, time, servers } = world
  network.weather = weathers[random.weighted({ fair: 3, slow: 2, rain: 3, storm: 1 })] ?? fair
  const within = () => random.integer(random.pick([500, 6_000, 60_000]))
  for (let left = random.integer(3); left > 0; left--) {
    const [a, b] = [random.pick(servers).name, random.pick(servers).name]
    const how = random.pick(['refuse', 'hang'] as const)
    const isOneWay = random.chance(0.3)
    time.after(within(), () => {
      world.note(`cut ${a} ${b} ${how}${isOneWay ? ' one way' : ''}`)
      network.cut(a, b, how, isOneWay)
    })
  }
  if (random.chance(0.3)) {
    const atMs = within()
    time.after(atMs, () => network.mend())
  }
  if (random.chance(0.15)) network.slow(random.pick(servers).name)
  for (
    let left = random.weighted({ none: 4, one: 4, two: 2 }) === 'none' ? 0 : random.between(1, 2);
    left > 0;
    left--
  ) {
    const server = random.pick(servers)
    const how = random.pick(['kill', 'power'] as const)
    const downMs = random.pick([1, 2_000, 40_000])
    const crash = () => {
      if (!server.isUp || world.isHealed) return
      world.note(`${server.name} dies: ${how}`)
      server.crash(how)
      time.after(downMs, () => world.restart(server))
    }
    const isWhileWriting = random.chance(0.6)
    time.after(within(), () => (isWhileWriting ? server.duringSync(crash) : crash()))
  }
}

/** No more faults; everything that was begun comes to its end. */
async function heal(stage: Stage): Promise<void> {
  const { world } = stage
  world.note('heal')
  world.isHealed = true
  world.network.weather = fair
  world.network.mend()
  await world.time.run(120_000, () => stage.pending === 0 && world.servers.every(({ isUp }) => isUp))
  if (stage.pending > 0) throw new Error(`${stage.pending} requests have no answer`)
  await world.settle()
  if (stage.erased.length === 0) return
  // what the erased have said is redacted little by little
  await world.time.run(60_000)
  await world.settle()
}

async function copiesOf(world: World, room: string): Promise<Copy[]> {
  const copies = await Promise.all(world.servers.map((server) => readCopy(server, room)))
  return copies.filter((copy) => copy !== undefined)
}

const isJoined = (copy: Copy, userId: string): boolean => {
  const eventId = copy.state.get(`m.room.member ${userId}`)
  const row = eventId === undefined ? undefined : copy.events.get(eventId)
  return (
    row !== undefined && (JSON.parse(row.json) as { content: { membership?: string } }).content.membership === 'join'
  )
}

/** The servers that take themselves for being in the room. */
function insideOf(world: World, copies: readonly Copy[]): Copy[] {
  return copies.filter((copy) =>
    world.people.some((person) => person.server === copy.server && isJoined(copy, person.id)),
  )
}

/** One more message from each server whose users may speak. */
async function nudge(stage: Stage, room: string): Promise<void> {
  const { world } = stage
  for (const copy of await copiesOf(world, room)) {
    for (const person of world.people.filter((each) => each.server === copy.server && isJoined(copy, each.id))) {
      const path = `/rooms/${encodeURIComponent(room)}/send/m.room.message/n${++stage.count}`
      const answer = await world.time.until(
        person.call('PUT', path, { msgtype: 'm.text', body: `nudge ${stage.count}` }),
      )
      if (answer?.status === 200) break
    }
    await world.settle()
  }
}

async function check(stage: Stage, wrongs: string[]): Promise<void> {
  const { world, rooms, acked, trackers, random } = stage
  const byServer = new Map(world.servers.map(({ name }) => [name as string, new Map<string, Copy>()]))
  const steadyIn = new Map<string, Set<string>>()
  for (const room of new Set(rooms)) {
    let copies = await copiesOf(world, room)
    const differences: string[] = []
    invariants.checkEqual(insideOf(world, copies), differences)
    if (differences.length > 0) {
      await nudge(stage, room)
      copies = await copiesOf(world, room)
      invariants.checkEqual(insideOf(world, copies), wrongs)
    }
    const people = invariants.steadyPeople(world, copies)
    steadyIn.set(room, people)
    const steady = new Set(world.people.filter(({ id }) => people.has(id)).map(({ server }) => server.name as string))
    const said = new Set(acked.filter(({ what }) => what === 'message').map(({ eventId }) => eventId))
    for (const copy of copies) {
      byServer.get(copy.server.name)?.set(room, copy)
      invariants.checkStored(world, copy, wrongs)
      for (const eventId of await listIntruders(copy, said))
        wrongs.push(`${copy.server.name} shows ${eventId}, whose sender was not in the room when it came`)
    }
    invariants.checkSame(copies, wrongs)
    invariants.checkOnce(copies, wrongs)
    invariants.checkRedactions(copies, wrongs)
    invariants.checkAcked(
      copies,
      steady,
      acked.filter((each) => each.room === room),
      wrongs,
    )
  }
  const isSteady = (person: World['people'][number], room: string) => steadyIn.get(room)?.has(person.id) === true
  for (const person of stage.erased) {
    const answer = await world.time.until(person.call('GET', '/account/whoami'))
    if (answer?.status !== 401) wrongs.push(`a token of ${person.id}, who is erased, works: ${answer?.status}`)
  }
  const sampled = new Set(Array.from({ length: 4 }, () => random.pick([...trackers.keys()])))
  for (const [person, tracker] of trackers) {
    const { marks } = tracker
    if (stage.erased.includes(person)) continue
    const chosen = [random.pick(marks), ...(random.chance(0.3) ? [marks[0] as (typeof marks)[number]] : [])]
    const copies = byServer.get(person.server.name) as ReadonlyMap<string, Copy>
    await checkSync(tracker, sampled.has(person) ? chosen : [], copies, isSteady, wrongs)
    await world.time.until(tracker.step(0))
    checkSyncedState(tracker, copies, isSteady, wrongs)
  }
}
