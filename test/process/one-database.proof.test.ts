import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ApiClient, ApiError } from '../support/api-client.ts'
import type { LetheProcess } from '../support/lethe-process.ts'
import { startProcesses, storedRoom } from '../support/one-database.ts'
import { testDatabase } from '../support/postgres-database.ts'
import { scale } from '../support/scale.ts'
import { sendWhile } from '../support/senders.ts'
import type { Told } from '../support/senders.ts'
import { SyncFollower } from '../support/sync-follower.ts'

const cluster = process.env['LETHE_TEST_POSTGRES']
if (cluster === undefined)
  console.log(
    'Two processes on one PostgreSQL are not tested: LETHE_TEST_POSTGRES is not set (see test/support/postgres.mjs)',
  )

const senderCount = 10

describe.skipIf(cluster === undefined)('two processes of one server on one PostgreSQL', () => {
  const folder = mkdtempSync(join(tmpdir(), 'lethe-two-'))
  let url: string
  let processes: LetheProcess[]
  let clients: ApiClient[]
  let watcher: ApiClient
  let room: string

  const at = (index: number, client: ApiClient): ApiClient => {
    const other = new ApiClient((processes[index] as LetheProcess).clientUrl)
    other.token = client.token
    other.userId = client.userId
    return other
  }

  beforeAll(async () => {
    url = await testDatabase(cluster as string)
    processes = await startProcesses(folder, 2, url)
    watcher = await new ApiClient((processes[0] as LetheProcess).clientUrl).register('watcher')
    room = await watcher.createRoom({ preset: 'public_chat' })
    clients = await Promise.all(
      Array.from({ length: senderCount }, (_, i) =>
        new ApiClient((processes[i % 2] as LetheProcess).clientUrl).register(`sender${i}`),
      ),
    )
    for (const client of clients) await client.join(room)
  }, 120_000)
  afterAll(async () => {
    await Promise.all((processes ?? []).map((lethe) => lethe.stop('SIGKILL')))
    rmSync(folder, { recursive: true, force: true })
  })

  const rounds = scale(1, 5)
  test(
    `${senderCount} senders in one room on both, one of them killed ${rounds} times: no fork, nothing lost or doubled, /sync exact on each`,
    async () => {
      // [which process a follower asks first, whether it changes]: each must see every event once
      const followers = [
        { at: 0, moves: false },
        { at: 1, moves: false },
        { at: 0, moves: true },
      ].map((how) => ({ ...how, follower: new SyncFollower(room) }))
      for (const { at: index, follower } of followers) await follower.step(at(index, watcher))
      const before = followers.map(({ follower }) => follower.seen.length)

      const acknowledged = new Map<string, string>()
      for (let round = 0; round < rounds; round++) {
        const alive = [true, true]
        const killed = round % 2
        let count = 0
        let isOver = false
        const following = followers.map(async (each) => {
          let step = 0
          while (!isOver) {
            const wanted = each.moves ? (each.at + step++) % 2 : each.at
            const index = alive[wanted] === true ? wanted : 1 - wanted
            await each.follower.step(at(index, watcher), 100).catch(connectionLost)
          }
        })
        const sending = clients.map((client, i) =>
          sendWhile({
            url: () => (processes[alive[i % 2] === true ? i % 2 : 1 - (i % 2)] as LetheProcess).clientUrl,
            token: client.token as string,
            room,
            name: `r${round}s${i}`,
            until: () => isOver,
            onAcknowledged: () => count++,
          }),
        )
        const enough = async (more: number) => {
          const wanted = count + more
          while (count < wanted) await pause(5)
        }
        await enough(100 + round * 17)
        const lethe = processes[killed] as LetheProcess
        alive[killed] = false
        await lethe.stop('SIGKILL')
        await enough(100)
        await lethe.start()
        alive[killed] = true
        await enough(100)
        isOver = true
        const told: Told[] = await Promise.all(sending)
        await Promise.all(following)
        for (const each of told) for (const [body, id] of each.acknowledged) acknowledged.set(body, id)
      }

      const { events, extremities } = await storedRoom(url, room)
      const stored = new Map<string, string[]>()
      for (const { id, pdu } of events) {
        const { body } = pdu.content
        if (body !== undefined) stored.set(body, [...(stored.get(body) ?? []), id])
      }
      expect(stored.size).toBe(acknowledged.size)
      for (const [body, id] of acknowledged) expect(stored.get(body), body).toEqual([id])
      // one chain: every event's only predecessor is the one before it
      expect(extremities).toEqual([events.at(-1)?.id])
      for (const [i, { id, pdu }] of events.entries())
        expect(pdu.prev_events, id).toEqual(i === 0 ? [] : [events[i - 1]?.id])

      const last = events.at(-1)?.id
      for (const [i, each] of followers.entries()) {
        while (each.follower.seen.at(-1) !== last)
          expect(await each.follower.step(at(each.at, watcher), 1_000)).toBeGreaterThan(0)
        const seen = each.follower.seen.slice(before[i])
        expect(seen, `follower ${i}`).toEqual(events.slice(-seen.length).map(({ id }) => id))
        expect(seen.length).toBeGreaterThanOrEqual(acknowledged.size)
      }
      console.log(`${acknowledged.size} events on two processes, ${rounds} kills`)
    },
    60_000 + rounds * 60_000,
  )

  const people = scale(3, 30)
  test(
    `${people} erasures on one process prune on the other before their 200`,
    async () => {
      for (let i = 0; i < people; i++) {
        const [here, there] = i % 2 === 0 ? [0, 1] : [1, 0]
        const leaver = await new ApiClient((processes[here] as LetheProcess).clientUrl).register(`leaver${i}`)
        await leaver.join(room)
        await leaver.call('PUT', `/_matrix/client/v3/profile/${leaver.userId}/displayname`, {
          displayname: `Canary ${i}`,
        })
        const said = await leaver.send(room, `canary ${i}`)
        // those who were there keep their copy until it is gone at rest; who came later does not
        const reader = await new ApiClient((processes[there] as LetheProcess).clientUrl).register(`reader${i}`)
        await reader.join(room)
        const other = at(there, leaver)
        // both processes have it in their memory
        expect(await reader.event(room, said)).toMatchObject({ content: { body: `canary ${i}` } })
        expect(await other.call('GET', '/_matrix/client/v3/account/whoami')).toMatchObject({ user_id: leaver.userId })
        await reader.sync()
        await leaver.confirmed(
          'POST',
          '/_matrix/client/v3/account/deactivate',
          { erase: true },
          'correct horse battery',
        )
        const answers = await Promise.all([
          reader.event(room, said),
          reader.call('GET', `/_matrix/client/v3/rooms/${encodeURIComponent(room)}/messages?dir=b&limit=20`),
          reader.sync(),
          reader.state(room),
        ])
        expect(JSON.stringify(answers)).not.toMatch(new RegExp(`canary ${i}\\b`, 'i'))
        expect((answers[0] as { content: object }).content).toEqual({})
        const refused = await other.call('GET', '/_matrix/client/v3/account/whoami').catch((error: unknown) => error)
        expect(refused).toBeInstanceOf(ApiError)
        expect((refused as ApiError).status).toBe(401)
      }
    },
    30_000 + people * 5_000,
  )
})

/** A follower whose process was killed asks again; any other failure fails the test. */
function connectionLost(error: unknown): void {
  if (error instanceof ApiError) throw error
}
