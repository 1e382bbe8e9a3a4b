import { expect, test, vi } from 'vitest'
import { RoomsWorld, type Answer } from '../support/rooms-world.ts'

const gate = vi.hoisted(() => ({ held: Promise.resolve(), open: () => {} }))

// the real thread that syncs the log, whose syncs end when the test says so
vi.mock(import('../../src/store/sqlite-threads.ts'), async (original) => {
  const real = await original()
  return {
    ...real,
    openLogSync(path) {
      const log = real.openLogSync(path)
      return {
        async sync() {
          const synced = await log.sync()
          await gate.held
          return synced
        },
        close: () => log.close(),
      }
    },
  }
})

/** No sync ends until this is disposed of, or opened. */
function hold(): Disposable & { open(): void } {
  gate.held = new Promise((resolve) => (gate.open = resolve))
  return { open: () => gate.open(), [Symbol.dispose]: () => gate.open() }
}

const at = encodeURIComponent

async function settled(requests: readonly Promise<Answer>[]): Promise<boolean[]> {
  await new Promise((resolve) => setTimeout(resolve, 150))
  const waiting = Promise.resolve(undefined)
  return Promise.all(requests.map(async (each) => (await Promise.race([each, waiting])) !== undefined))
}

test('no answer leaves before the sync of what it tells: a send, the same once more, what can be read, a refusal', async () => {
  await using world = await RoomsWorld.on('sqlite', 'a.test')
  const server = world.server('a.test')
  const alice = await server.user('alice')
  const { room_id: roomId } = await alice.ok('POST', '/createRoom', {})
  const room = `/rooms/${at(roomId)}`
  const react = (target: string, txnId: string) =>
    alice.call('PUT', `${room}/send/m.reaction/${txnId}`, {
      'm.relates_to': { rel_type: 'm.annotation', event_id: target, key: 'x' },
    })
  const { event_id: liked } = await alice.ok('PUT', `${room}/send/m.room.message/t0`, { msgtype: 'm.text', body: 'a' })

  using held = hold()
  const said = { msgtype: 'm.text', body: 'held' }
  const first = alice.call('PUT', `${room}/send/m.room.message/t1`, said)
  const liking = react(liked, 'l1')
  const newest = async () => (await server.room(roomId)).extremities[0]?.eventId ?? ''
  await expect.poll(newest).not.toBe(liked)
  const same = alice.call('PUT', `${room}/send/m.room.message/t1`, said)
  const twice = react(liked, 'l2')
  const read = alice.call('GET', `${room}/event/${at(await newest())}`)
  expect(await settled([first, liking, same, twice, read])).toEqual([false, false, false, false, false])

  held.open()
  const answers = await Promise.all([first, liking, same, twice, read])
  expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 400, 200])
  expect(answers[2]?.body.event_id).toBe(answers[0]?.body.event_id)
})
