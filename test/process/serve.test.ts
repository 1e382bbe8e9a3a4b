import { execFileSync, spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { Script } from 'node:vm'
import { afterAll, describe, expect, test } from 'vitest'
import { freePorts } from '../support/ports.ts'

const main = resolve(import.meta.dirname, '../../dist/main.js')
const running: { child: ChildProcess; ended: Promise<unknown> }[] = []
const folders: string[] = []
afterAll(async () => {
  for (const { child } of running) child.kill('SIGKILL')
  await Promise.all(running.map(({ ended }) => ended))
  for (const folder of folders) rmSync(folder, { recursive: true, force: true })
})

interface Ended {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

function start(
  folder: string,
  args: readonly string[],
  env: Record<string, string> = {},
): { child: ChildProcess; ended: Promise<Ended>; output: () => string } {
  const child = spawn(process.execPath, [main, ...args], {
    cwd: folder,
    env: { ...process.env, ...env },
    stdio: ['pipe', 'pipe', 'pipe'],
  })
  let stdout = ''
  let stderr = ''
  child.stdout?.on('data', (chunk: Buffer) => (stdout += chunk.toString()))
  child.stderr?.on('data', (chunk: Buffer) => (stderr += chunk.toString()))
  const ended = new Promise<Ended>((done) => child.once('close', (code) => done({ code, stdout, stderr })))
  running.push({ child, ended })
  return { child, ended, output: () => stdout + stderr }
}

const run = (folder: string, ...args: string[]) => {
  const { child, ended } = start(folder, args)
  child.stdin?.end()
  return ended
}

async function world(more: Record<string, unknown> = {}) {
  const folder = mkdtempSync(join(tmpdir(), 'lethe-serve-'))
  folders.push(folder)
  const [client, admin] = (await freePorts(2)) as [number, number]
  const config = {
    server_name: 'serve.test',
    listeners: [
      { host: '127.0.0.1', port: client, resources: ['client', 'federation', 'media', 'health'] },
      { host: '127.0.0.1', port: admin, resources: ['admin', 'health'] },
    ],
    passwords: { bcrypt_cost: 4, allow_weak_hash: true },
    ...more,
  }
  writeFileSync(join(folder, 'config.yaml'), JSON.stringify(config))
  writeFileSync(join(folder, 'password'), 'correct horse battery\n')
  return { folder, url: `http://127.0.0.1:${client}`, adminUrl: `http://127.0.0.1:${admin}` }
}

async function ready(url: string, server: ReturnType<typeof start>): Promise<void> {
  for (let i = 0; i < 1000; i++) {
    if (server.child.exitCode !== null) throw new Error(`ended at its start: ${server.output()}`)
    if (
      await fetch(`${url}/_matrix/client/versions`).then(
        (answer) => answer.ok,
        () => false,
      )
    )
      return
    await pause(25)
  }
  throw new Error(`not ready: ${server.output()}`)
}

async function serving(more: Record<string, unknown> = {}) {
  const made = await world(more)
  const server = start(made.folder, ['serve'])
  await ready(made.url, server)
  return { ...made, ...server }
}

async function logIn(
  url: string,
  user: string,
  password = 'correct horse battery',
): Promise<{ status: number; token: string }> {
  const answer = await fetch(`${url}/_matrix/client/v3/login`, {
    method: 'POST',
    body: JSON.stringify({ type: 'm.login.password', identifier: { type: 'm.id.user', user }, password }),
  })
  const body = (await answer.json()) as { access_token?: string }
  return { status: answer.status, token: body.access_token ?? '' }
}

describe('serve', () => {
  test('starts without any file, warns, makes its keys readable by the owner only, and stops at SIGTERM with 0', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'lethe-bare-'))
    const [client, admin] = (await freePorts(2)) as [number, number]
    const listeners = JSON.stringify([
      { host: '127.0.0.1', port: client, resources: ['client', 'health'] },
      { host: '127.0.0.1', port: admin, resources: ['admin'] },
    ])
    const server = start(folder, [], { LETHE_LISTENERS: listeners })
    await ready(`http://127.0.0.1:${client}`, server)
    expect(server.output()).toContain('federation needs a real name')
    for (const secret of ['signing.key', 'pepper', 'operator.json']) {
      expect(statSync(join(folder, 'data', secret)).mode & 0o777, secret).toBe(0o600)
    }
    expect(await (await fetch(`http://127.0.0.1:${client}/health`)).json()).toEqual({ status: 'ok' })
    server.child.kill('SIGTERM')
    expect((await server.ended).code).toBe(0)
  })

  test('keeps its accounts and its key over a restart', async () => {
    const first = await serving()
    expect((await run(first.folder, 'user', 'create', 'alice', '--password-file', 'password')).code).toBe(0)
    const key = readFileSync(join(first.folder, 'data/signing.key'), 'utf8')
    first.child.kill('SIGKILL')
    await first.ended
    const second = start(first.folder, ['serve'])
    await ready(first.url, second)
    expect((await logIn(first.url, 'alice')).status).toBe(200)
    expect(readFileSync(join(first.folder, 'data/signing.key'), 'utf8')).toBe(key)
    second.child.kill('SIGINT')
    expect((await second.ended).code).toBe(0)
  })

  test('goes on quietly when nobody reads its log any more', async () => {
    const { url, child } = await serving({ logging: { level: 'debug' } })
    child.stdout?.destroy()
    child.stderr?.destroy()
    for (let i = 0; i < 5; i++) expect((await logIn(url, 'nobody')).status).toBe(403)
    const ticks = () => {
      const fields = (readFileSync(`/proc/${child.pid}/stat`, 'utf8').split(') ')[1] ?? '').split(' ')
      return Number(fields[11]) + Number(fields[12])
    }
    const before = ticks()
    await pause(1_500)
    // a line about a line that could not be written, and one about that, takes all of a processor: 150 ticks
    expect(ticks() - before).toBeLessThan(50)
    expect((await fetch(`${url}/health`)).status).toBe(200)
    child.kill('SIGTERM')
    await new Promise((resolve) => child.once('exit', resolve))
    expect(child.exitCode).toBe(0)
  })

  test('a second server on the same data is refused with one line', async () => {
    const first = await serving()
    const [port] = await freePorts(1)
    const { code, stdout, stderr } = await start(first.folder, ['serve'], {
      LETHE_LISTENERS: `[{ host: 127.0.0.1, port: ${port}, resources: [client] }]`,
    }).ended
    expect(code).toBe(1)
    expect(stdout + stderr).toContain('in use by another process')
    expect((await fetch(`${first.url}/_matrix/client/versions`)).status).toBe(200)
    first.child.kill('SIGTERM')
    await first.ended
  })

  test('a waiting sync is answered when the server stops', async () => {
    const server = await serving()
    await run(server.folder, 'user', 'create', 'bob', '--password-file', 'password')
    const { token } = await logIn(server.url, 'bob')
    const headers = { authorization: `Bearer ${token}` }
    const first = (await (await fetch(`${server.url}/_matrix/client/v3/sync`, { headers })).json()) as {
      next_batch: string
    }
    const poll = fetch(
      `${server.url}/_matrix/client/v3/sync?timeout=60000&since=${encodeURIComponent(first.next_batch)}`,
      { headers },
    )
    // time for the request to arrive, also on a busy machine
    await pause(1_500)
    const began = Date.now()
    server.child.kill('SIGTERM')
    expect((await poll).status).toBe(200)
    expect((await server.ended).code).toBe(0)
    expect(Date.now() - began).toBeLessThan(9_000)
  })

  test('SIGHUP reloads the log level', async () => {
    const server = await serving()
    const path = join(server.folder, 'config.yaml')
    writeFileSync(
      path,
      JSON.stringify({ ...(JSON.parse(readFileSync(path, 'utf8')) as object), logging: { level: 'debug' } }),
    )
    server.child.kill('SIGHUP')
    for (let i = 0; i < 500 && !server.output().includes('reloaded'); i++) await pause(20)
    await fetch(`${server.url}/_matrix/client/v3/profile/@secret:serve.test?access_token=hush`)
    for (let i = 0; i < 500 && !server.output().includes('profile'); i++) await pause(20)
    expect(server.output()).toContain('/_matrix/client/v3/profile/:userId')
    expect(server.output()).not.toContain('secret:serve.test')
    expect(server.output()).not.toContain('hush')
    server.child.kill('SIGTERM')
    expect((await server.ended).code).toBe(0)
  })
})

describe('the command line', () => {
  test('users are made with and without a running server, and listed', async () => {
    const { folder, url } = await world()
    const offline = await run(folder, 'user', 'create', 'alice', '--password-file', 'password', '--admin')
    expect(offline).toMatchObject({ code: 0, stdout: '@alice:serve.test was created\n' })
    const server = start(folder, ['serve'])
    await ready(url, server)
    expect((await run(folder, 'user', 'create', 'bob', '--password-file', 'password')).code).toBe(0)
    const again = await run(folder, 'user', 'create', 'Bob', '--password-file', 'password')
    expect([again.code, again.stderr]).toEqual([1, 'This user name is taken\n'])
    expect([
      (await logIn(url, 'alice')).status,
      (await logIn(url, 'bob')).status,
      (await logIn(url, 'bob', 'wrong')).status,
    ]).toEqual([200, 200, 403])
    const listed = JSON.parse((await run(folder, 'user', 'list', '--json')).stdout) as {
      user_id: string
      admin: boolean
    }[]
    expect(listed.map(({ user_id, admin }) => [user_id, admin])).toEqual([
      ['@alice:serve.test', true],
      ['@bob:serve.test', false],
    ])
    const { token } = await logIn(url, 'bob')
    expect((await run(folder, 'user', 'lock', 'bob', '--reason', 'test')).code).toBe(0)
    const locked = await fetch(`${url}/_matrix/client/v3/account/whoami`, {
      headers: { authorization: `Bearer ${token}` },
    })
    expect([locked.status, ((await locked.json()) as { errcode: string }).errcode]).toEqual([401, 'M_USER_LOCKED'])
    server.child.kill('SIGTERM')
    await server.ended
  })

  test('the admin listener wants the operator token, and the client listener has no admin endpoints', async () => {
    const server = await serving()
    const path = '/_lethe/admin/v1/users'
    expect((await fetch(`${server.adminUrl}${path}`)).status).toBe(401)
    expect((await fetch(`${server.url}${path}`)).status).toBe(404)
    const { token } = JSON.parse(readFileSync(join(server.folder, 'data/operator.json'), 'utf8')) as { token: string }
    expect((await fetch(`${server.adminUrl}${path}`, { headers: { authorization: `Bearer ${token}` } })).status).toBe(
      200,
    )
    server.child.kill('SIGTERM')
    await server.ended
  })

  test('registration tokens and keys', async () => {
    const { folder } = await world()
    const made = await run(folder, 'token', 'create', 'welcome', '--uses', '2', '--for', '1d')
    expect([made.code, made.stdout]).toEqual([0, 'welcome\n'])
    const listed = JSON.parse((await run(folder, 'token', 'list', '--json')).stdout) as object[]
    expect(listed).toMatchObject([{ token: 'welcome', uses_allowed: 2, completed: 0, expires_ts: expect.any(Number) }])
    expect((await run(folder, 'token', 'delete', 'welcome')).code).toBe(0)
    const again = await run(folder, 'token', 'delete', 'welcome')
    expect([again.code, again.stderr]).toEqual([1, 'There is no such token\n'])
    const before = JSON.parse((await run(folder, 'key', 'show', '--json')).stdout) as { key_id: string }
    const after = JSON.parse((await run(folder, 'key', 'rotate', '--json')).stdout) as { key_id: string }
    expect(after.key_id).not.toBe(before.key_id)
    expect((await run(folder, 'key', 'show')).stdout).toContain(`${before.key_id} `)
  })

  test('exit codes: 2 for wrong usage, 1 for what is refused, 0 for help', async () => {
    const { folder } = await world({ registraton: {} })
    expect((await run(folder, 'user', 'create')).code).toBe(2)
    expect((await run(folder, 'nonsense')).code).toBe(2)
    expect((await run(folder, '--help')).code).toBe(0)
    const checked = await run(folder, 'config', 'check')
    expect([checked.code, checked.stderr]).toEqual([1, expect.stringContaining('did you mean registration?')])
    const missing = await run(folder, 'config', 'check', '--config', 'nowhere.yaml')
    expect([missing.code, missing.stderr]).toEqual([1, expect.stringContaining('ENOENT')])
  })

  test('config generate can be served as it is, config show hides secrets, migrate makes the database', async () => {
    const { folder } = await world({ registration: { shared_secret: 'hush' } })
    const shown = await run(folder, 'config', 'show')
    expect(shown.stdout).toContain('shared_secret: (hidden)')
    expect(shown.stdout).not.toContain('hush')
    const generated = await run(folder, 'config', 'generate', 'generated.test')
    writeFileSync(join(folder, 'generated.yaml'), generated.stdout)
    expect((await run(folder, 'config', 'check', '--config', 'generated.yaml')).code).toBe(0)
    expect((await run(folder, 'migrate')).code).toBe(0)
    expect(statSync(join(folder, 'data/lethe.db')).size).toBeGreaterThan(0)
  })
})

test('what was built has code that this V8 takes as it is, and works without', async () => {
  const dist = resolve(main, '..')
  const cachedData = readFileSync(join(dist, 'lethe.code'))
  const text = readFileSync(join(dist, 'lethe.cjs'), 'latin1')
  expect(/[^\n\t\x20-\x7e]/.exec(text)).toBeNull()
  expect(new Script(text, { filename: join(dist, 'lethe.cjs'), cachedData }).cachedDataRejected).toBe(false)
  const bare = mkdtempSync(join(tmpdir(), 'lethe-bare-'))
  folders.push(bare)
  mkdirSync(join(bare, 'dist'))
  for (const name of ['main.js', 'lethe.cjs']) cpSync(join(dist, name), join(bare, 'dist', name))
  cpSync(resolve(dist, '../package.json'), join(bare, 'package.json'))
  symlinkSync(realpathSync(resolve(dist, '../node_modules')), join(bare, 'node_modules'))
  // code of another V8 is as good as none
  for (const code of [undefined, Buffer.from(cachedData).fill(1, 0, 16)]) {
    if (code !== undefined) writeFileSync(join(bare, 'dist/lethe.code'), code)
    const listed = execFileSync(process.execPath, [join(bare, 'dist/main.js'), 'routes'], { encoding: 'utf8' })
    expect(listed).toContain('/_matrix/client/versions')
  }
})
