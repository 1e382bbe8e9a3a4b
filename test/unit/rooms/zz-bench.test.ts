import { test } from 'vitest'
import { sendEvent } from '../../../src/rooms/send.ts'
import { appendLocal } from '../../../src/rooms/append-local.ts'
import { makeEngine } from '../../support/engine.ts'
import { Session } from 'node:inspector'
import { writeFileSync } from 'node:fs'

test('bench', async () => {
  await using a = await makeEngine('sqlite')
  const alice = await a.user('alice')
  const room = await a.room(alice)
  const draft = (i: number) => ({ type: 'm.room.message', content: { body: `message ${i} with some words in it`, msgtype: 'm.text' }, sender: alice })
  const run = async (n: number, txn: boolean, tag: string) => {
    const t = performance.now()
    await Promise.all(Array.from({ length: n }, (_, i) => sendEvent(a.deps, { roomId: room.id, draft: draft(i), ...(txn ? { transaction: { deviceId: 'D', txnId: `${tag}${i}` } } : {}) })))
    console.log(tag, n, ((performance.now() - t) * 1000 / n).toFixed(0), 'us each')
  }
  await run(2000, true, 'warm')
  await run(2000, true, 'warm2')
  const session = new Session(); session.connect()
  session.post('Profiler.enable'); session.post('Profiler.start')
  await run(3000, true, 'txn')
  await run(3000, false, 'plain')
  session.post('Profiler.stop', (_e, { profile }) => writeFileSync('/tmp/r1/prof.json', JSON.stringify(profile)))
  const t = performance.now()
  await a.database.write(async (tx) => { let r = await a.deps.roomCache.forWrite(tx, room.id); for (let i = 0; i < 1000; i++) r = (await appendLocal(tx, a.deps, r, draft(i))).room })
  console.log('in one write', ((performance.now() - t)).toFixed(0), 'us each')
}, 100000)
