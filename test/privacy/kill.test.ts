import { cpSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { ApiClient, eventually } from '../support/api-client.ts'
import { erasureReaches } from '../support/erasure.ts'
import type { ErasureShown } from '../support/erasure.ts'
import type { LetheProcess } from '../support/lethe-process.ts'
import { eraseHerself, startPrivacyWorld } from '../support/privacy-world.ts'
import type { PrivacyWorld } from '../support/privacy-world.ts'

/** Where the server ends itself, and whether the request for the erasure has returned by then. */
const places = [
  ['erasure:before:JOURNAL', 'refused'],
  ['erasure:after:JOURNAL', 'begun'],
  ['erasure:after:LOCKED', 'begun'],
  ['erasure:after:CENSUS', 'returned'],
  ['erasure:after:SCRUB', 'returned'],
  ['erasure:in:REDACT', 'returned'],
  ['erasure:after:REDACT', 'returned'],
  ['erasure:after:PART', 'returned'],
  ['erasure:in:COLLECT:pruned', 'returned'],
  ['erasure:in:COLLECT:files', 'returned'],
  ['erasure:in:COLLECT:rewritten', 'returned'],
  ['erasure:after:COLLECT', 'returned'],
  ['erasure:after:SETTLED', 'returned'],
] as const

/** All counts but of what happens to wait for other servers. */
function countsOf({ counts }: ErasureShown) {
  const { outbound_transactions: _transactions, outbound_edus: _edus, ...deleted } = counts.deleted
  return { ...counts, deleted }
}

let world: PrivacyWorld
let undisturbed: ErasureShown

/** Both servers as they were when alice had lived her life. */
async function putBack(): Promise<void> {
  const { home, peerServer, folder } = world
  for (const server of [home, peerServer]) {
    await server.stop('SIGKILL')
    rmSync(server.dataFolder, { recursive: true })
    cpSync(join(folder, `kept-${server.name}`), server.dataFolder, { recursive: true })
  }
  await peerServer.start()
}

/** Waits for the end of the job; what alice wrote is then gone for everybody. */
async function settles(): Promise<ErasureShown> {
  const { home, life, cast } = world
  // a server that was being asked at the kill is asked again after a minute
  const shown = await erasureReaches(home, life.alice.userId, ({ state }) => state === 'CLOSED', 140_000)
  expect(shown.peers.map(({ host, state }) => [host, state])).toEqual([[world.peerServer.name, 'acknowledged']])
  expect((await cast.bob.event(life.rooms.shared, life.plain.id))['content']).toEqual({})
  return shown
}

beforeAll(async () => {
  world = await startPrivacyWorld({ mode: 'redact', engine: 'sqlite', synapse: false })
  for (const server of [world.home, world.peerServer]) {
    expect(await server.stop()).toBe(0)
    cpSync(server.dataFolder, join(world.folder, `kept-${server.name}`), { recursive: true })
  }
  await putBack()
  await world.home.start()
  await eraseHerself(world.life)
  undisturbed = await settles()
}, 150_000)
afterAll(async () => world?.[Symbol.asyncDispose]())

test.each(places)(
  'kill -9 at %s: the job ends as if nothing had happened',
  async (place, when) => {
    await putBack()
    const { home, life, peerServer } = world
    await home.start({ LETHE_FAILPOINT: place })
    const request = eraseHerself(life).then(
      () => 'returned',
      () => 'died',
    )
    expect(await home.ended(), home.log().slice(-2000)).toMatchObject({ signal: 'SIGKILL' })
    expect(await request).toBe(when === 'returned' ? 'returned' : 'died')

    await home.start()
    if (when === 'refused') await eraseHerself(life)
    await expect(life.alice.call('GET', '/_matrix/client/v3/account/whoami')).rejects.toMatchObject({ status: 401 })
    const shown = await settles()
    expect(countsOf(shown)).toEqual(countsOf(undisturbed))
    expect(shown.certificate).not.toBeNull()
    expect(await new ApiClient(home.clientUrl).register('alice').catch((error: unknown) => error)).toMatchObject({
      status: 400,
    })
    expect(await home.stop()).toBe(0)
    expect(leftIn(home)).toEqual([])
    await peerServer.stop('SIGKILL')
  },
  90_000,
)

test('kill -9 of a server that was told, before it has done its part: it does it after its start', async () => {
  await putBack()
  const { home, peerServer, life } = world
  await peerServer.stop('SIGKILL')
  await peerServer.start({ LETHE_FAILPOINT: 'inbound:before:DONE' })
  await home.start()
  await eraseHerself(life)
  expect(await peerServer.ended()).toMatchObject({ signal: 'SIGKILL' })
  await peerServer.start()
  await eventually(async () => leftIn(peerServer).length === 0, 30_000).catch(() => undefined)
  expect(leftIn(peerServer)).toEqual([])
}, 90_000)

/** What nobody may keep, and is on this server's disk all the same. */
function leftIn(server: LetheProcess): string[] {
  const { canaries } = world
  const mayStay = (name: string) => !['gone', 'fleeting', 'never'].includes(canaries.fate(name) ?? 'gone')
  return canaries
    .search(server.dataFolder)
    .filter(({ name }) => !mayStay(name))
    .map(({ name, file, around }) => `${name} in ${file}: ${around}`)
}
