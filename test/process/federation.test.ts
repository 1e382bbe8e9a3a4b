import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { ApiClient, eventually } from '../support/api-client.ts'
import { LetheProcess } from '../support/lethe-process.ts'
import { makeTls } from '../support/tls.ts'

type Chunk = { chunk: { sender: string; content: { body?: string } }[] }

const folder = mkdtempSync(join(tmpdir(), 'lethe-two-'))
const tls = makeTls(folder)
const servers: LetheProcess[] = []
beforeAll(async () => {
  const config = { federation: { extra_ca_files: [tls.ca], retry: { initial: '1s', max: '10s' } } }
  for (const name of ['a', 'b']) servers.push(await LetheProcess.start({ folder: join(folder, name), tls, config }))
}, 60_000)
afterAll(async () => {
  for (const server of servers) await server.stop('SIGKILL')
})

test('two servers over TLS: join by the public door, messages both ways, across a restart', async () => {
  const [a, b] = servers as [LetheProcess, LetheProcess]
  const alice = await new ApiClient(a.clientUrl).register('alice')
  const bob = await new ApiClient(b.clientUrl).register('bob')
  const room = await alice.createRoom({ preset: 'public_chat' })
  await bob.join(room, a.name)
  const path = `/_matrix/client/v3/rooms/${encodeURIComponent(room)}`
  const say = (who: ApiClient, body: string) =>
    who.call('PUT', `${path}/send/m.room.message/${body}`, { msgtype: 'm.text', body })
  const heard = (who: ApiClient, body: string) =>
    eventually(
      async () => {
        const { chunk } = await who.call<Chunk>('GET', `${path}/messages?dir=b&limit=20`)
        return chunk.some(({ content }) => content.body === body) || undefined
      },
      15_000,
      body,
    )
  await say(alice, 'hello-bob')
  await heard(bob, 'hello-bob')
  await say(bob, 'hello-alice')
  await heard(alice, 'hello-alice')
  // What is sent while the other is away waits for it.
  await b.stop('SIGKILL')
  await say(alice, 'while-you-were-away')
  await b.start()
  await heard(bob, 'while-you-were-away')
  expect((await alice.call<{ joined: object }>('GET', `${path}/joined_members`)).joined).toEqual({
    [alice.userId]: expect.anything(),
    [bob.userId]: expect.anything(),
  })
}, 90_000)
