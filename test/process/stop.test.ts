import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { afterAll, describe, expect, test } from 'vitest'
import { ApiClient } from '../support/api-client.ts'
import { LetheProcess } from '../support/lethe-process.ts'

const root = mkdtempSync(join(tmpdir(), 'lethe-stop-'))
afterAll(() => rmSync(root, { recursive: true, force: true }))
const lines = (text: string) => text.split('\n').filter((line) => line !== '')

describe('stopping', () => {
  test.each(['SIGTERM', 'SIGINT'] as const)(
    '%s with long polls open: answered, exit 0, within 10 s',
    async (signal) => {
      await using lethe = await LetheProcess.start({ folder: join(root, signal) })
      const users = await Promise.all([1, 2, 3].map((i) => new ApiClient(lethe.clientUrl).register(`user${i}`)))
      const polls = await Promise.all(
        users.flatMap((user) => [1, 2, 3, 4].map(async () => ({ user, since: (await user.sync()).next_batch }))),
      )
      const answers = Promise.all(
        polls.map(({ user, since }) =>
          user.sync(since, 60_000).then(
            () => 'answered',
            () => 'cut off',
          ),
        ),
      )
      // time for the requests to arrive, also on a busy machine
      await pause(1_500)
      const from = performance.now()
      expect(await lethe.stop(signal)).toBe(0)
      expect(performance.now() - from).toBeLessThan(10_000)
      expect(new Set(await answers)).toEqual(new Set(['answered']))
      // and it starts again with everything
      await lethe.start()
      expect((await (users[0] as ApiClient).call('GET', '/_matrix/client/v3/account/whoami'))['user_id']).toBe(
        users[0]?.userId,
      )
    },
    60_000,
  )

  test('connections that send nothing do not hold it up', async () => {
    await using lethe = await LetheProcess.start({ folder: join(root, 'idle') })
    const kept = await Promise.all(
      Array.from({ length: 20 }, () =>
        fetch(`${lethe.clientUrl}/_matrix/client/versions`).then((answer) => answer.text()),
      ),
    )
    expect(kept).toHaveLength(20)
    const from = performance.now()
    expect(await lethe.stop()).toBe(0)
    expect(performance.now() - from).toBeLessThan(5_000)
  }, 30_000)
})

describe('starting', () => {
  test('another server name on the same database refuses', async () => {
    const folder = join(root, 'renamed')
    const first = await LetheProcess.start({ folder })
    expect(await first.stop()).toBe(0)
    const renamed = await LetheProcess.prepare({
      folder: join(root, 'renamed-config'),
      config: { data_dir: first.dataFolder, server_name: 'other.test' },
    })
    const { code, stderr } = await renamed.command('serve')
    expect(code, stderr).toBe(1)
    expect(lines(stderr)).toHaveLength(1)
    expect(stderr).toContain(first.name)
  }, 20_000)

  test('a configuration that is wrong: exit 1 with file, line and the nearest key, by config check and by serve', async () => {
    const bad = await LetheProcess.prepare({ folder: join(root, 'bad') })
    writeFileSync(bad.configFile, 'server_name: a.test\nregistration:\n  enabeld: true\n')
    const { code, stderr } = await bad.command('config', 'check')
    expect(code).toBe(1)
    expect(stderr).toMatch(/config\.yaml.*\b3\b/)
    expect(stderr).toContain('enabled')
    expect(await bad.command('serve')).toMatchObject({ code: 1 })
    writeFileSync(bad.configFile, 'server_name: "not a name"\n')
    expect(await bad.command('config', 'check')).toMatchObject({ code: 1 })
    rmSync(bad.configFile)
    expect(await bad.command('config', 'check')).toMatchObject({ code: 1 })
  }, 30_000)

  test('what it logs has no name, no token and no path of a request', async () => {
    await using lethe = await LetheProcess.start({ folder: join(root, 'log'), config: { logging: { level: 'debug' } } })
    const user = await new ApiClient(lethe.clientUrl).register('somebodyinparticular', 'a password of theirs')
    await user.answer('GET', '/_matrix/client/v3/directory/room/%23nowhereinparticular%3Aa.test')
    await user.answer('POST', '/_matrix/client/v3/createRoom', '{"topic":"nothinginparticular"')
    const log = readFileSync(join(lethe.folder, 'server.log'), 'utf8')
    for (const secret of [
      user.token as string,
      'a password of theirs',
      'nowhereinparticular',
      'nothinginparticular',
      'somebodyinparticular',
    ]) {
      expect(log).not.toContain(secret)
    }
  }, 20_000)
})
