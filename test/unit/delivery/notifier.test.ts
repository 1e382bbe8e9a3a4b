import { describe, expect, test } from 'vitest'
import { Notifier } from '../../../src/delivery/notifier.ts'
import { Changes } from '../../../src/store/changes.ts'
import type { Database } from '../../../src/store/database.ts'
import { FakeClock } from '../../support/clock.ts'
import { turns } from '../../support/virtual-clock.ts'

/** A notifier whose users are in the rooms of `rooms`. */
function make(rooms: Record<number, number[]>) {
  const changes = new Changes()
  const clock = new FakeClock()
  let reads = 0
  const database = {
    read: async (fn: (conn: unknown) => Promise<unknown>) => {
      reads++
      return fn({
        engine: 'sqlite',
        all: async (_: unknown, { userNid }: { userNid: number }) =>
          (rooms[userNid] ?? []).map((room_nid) => ({ room_nid })),
      })
    },
  } as unknown as Database
  const notifier = new Notifier({ database, changes })
  const wait = async (userNid: number, signal = new AbortController().signal) => {
    const begun = await notifier.begin(userNid)
    return begun.until(30_000, signal, clock.setTimer)
  }
  return { changes, clock, notifier, wait, reads: () => reads }
}

const state = async (promise: Promise<boolean>) => {
  await turns(5)
  return Promise.race([promise, Promise.resolve('waiting')])
}

describe('waiting for changes', () => {
  test('a change of a room wakes those who are in it, of a user that user', async () => {
    const { changes, wait } = make({ 1: [10], 2: [10, 20], 3: [20] })
    const [one, two, three] = [wait(1), wait(2), wait(3)]
    await turns(2)
    changes.announce({ roomNids: [10] })
    expect(await state(one)).toBe(true)
    expect(await state(two)).toBe(true)
    expect(await state(three)).toBe('waiting')
    changes.announce({ userNids: [3] })
    expect(await state(three)).toBe(true)
  })

  test('what comes between begin and until is not missed', async () => {
    const { changes, notifier, clock } = make({ 1: [10] })
    const begun = await notifier.begin(1)
    changes.announce({ roomNids: [10] })
    await turns(3)
    expect(await begun.until(30_000, new AbortController().signal, clock.setTimer)).toBe(true)
  })

  test('the list of rooms is read again only after a change of the user', async () => {
    const rooms: Record<number, number[]> = { 1: [10] }
    const { changes, wait, reads } = make(rooms)
    for (let i = 0; i < 3; i++) {
      const waiting = wait(1)
      await turns(2)
      changes.announce({ roomNids: [10] })
      expect(await waiting).toBe(true)
    }
    expect(reads()).toBe(1)
    rooms[1] = [10, 11]
    changes.announce({ userNids: [1] })
    const waiting = wait(1)
    await turns(2)
    changes.announce({ roomNids: [11] })
    expect(await waiting).toBe(true)
    expect(reads()).toBe(2)
  })

  test('who comes while the list of rooms is read waits for it too; a list that cannot be read leaves nobody behind', async () => {
    const changes = new Changes()
    const reads: { resolve: (rows: object[]) => void; reject: (error: Error) => void }[] = []
    const read = () => new Promise<object[]>((resolve, reject) => reads.push({ resolve, reject }))
    const database = {
      read: (fn: (conn: unknown) => Promise<unknown>) => fn({ engine: 'sqlite', all: read }),
    } as unknown as Database
    const notifier = new Notifier({ database, changes })
    const begun: unknown[] = []
    const both = [1, 2].map(async () => begun.push(await notifier.begin(1)))
    await turns(2)
    expect([begun.length, reads.length]).toEqual([0, 1])
    reads[0]?.resolve([{ room_nid: 10 }])
    await Promise.all(both)
    changes.announce({ roomNids: [10] })
    await turns(3)
    expect(begun.map((wait) => (wait as { isWoken: boolean }).isWoken)).toEqual([true, true])
    changes.announce({ userNids: [1] })
    const failing = [1, 2].map(() => notifier.begin(1))
    await turns(2)
    reads[1]?.reject(new Error('no'))
    expect((await Promise.allSettled(failing)).map(({ status }) => status)).toEqual(['rejected', 'rejected'])
    expect([notifier.waiting, reads.length]).toEqual([0, 2])
  })

  test('time, an abort and the end of the server end it', async () => {
    const { clock, notifier, wait } = make({ 1: [10] })
    const byTime = wait(1)
    await turns(2)
    clock.advance(30_001)
    expect(await byTime).toBe(false)
    const abort = new AbortController()
    const byAbort = wait(1, abort.signal)
    await turns(2)
    abort.abort()
    expect(await byAbort).toBe(false)
    const byStop = wait(1)
    await turns(2)
    expect(notifier.waiting).toBe(1)
    notifier.stop()
    expect(await state(byStop)).toBe(true)
    expect(notifier.waiting).toBe(0)
  })

  test('3,000 readers are woken some at a time', async () => {
    const users = Array.from({ length: 3_000 }, (_, i) => i + 1)
    const { changes, wait } = make(Object.fromEntries(users.map((nid) => [nid, [10]])))
    let woken = 0
    const all = users.map((nid) => wait(nid).then(() => woken++))
    await turns(2)
    changes.announce({ roomNids: [10] })
    changes.announce({ roomNids: [10] })
    await turns(2)
    expect(woken).toBeGreaterThan(0)
    expect(woken).toBeLessThan(2_500)
    await Promise.all(all)
    expect(woken).toBe(3_000)
  })
})
