import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { LogFile } from '../../../src/util/log-file.ts'
import { createLog } from '../../../src/util/log.ts'
import { FakeClock } from '../../support/clock.ts'

const capture = () => {
  const lines: string[] = []
  return { lines, log: createLog({ level: 'info', sinks: [{ write: (line) => lines.push(line) }] }) }
}

test('lines are JSON, with level, message and fields', () => {
  const { lines, log } = capture()
  log.child({ part: 'x' }).info('started', { port: 8008 })
  log.debug('not shown')
  expect(lines.map((line) => JSON.parse(line) as unknown)).toEqual([
    { level: 'info', time: expect.any(Number) as number, part: 'x', port: 8008, msg: 'started' },
  ])
})

test('no names, addresses or tokens, not even inside errors', () => {
  const { lines, log } = capture()
  const cause = new Error('Key (name)=(x) for alice@example.com from 192.0.2.77 and 2001:db8:1:2:3:4:5:6')
  log.error('request of @alice:a.test failed, access_token=syt_secret', {
    error: new Error('Bearer syt_other', { cause }),
    password: 'hunter2',
    request: { authorization: 'Bearer syt_third', content: 'hello dear' },
  })
  const [line = ''] = lines
  for (const word of ['alice', 'syt_', 'hunter2', 'hello dear', '192.0.2.77', '2:3:4:5:6'])
    expect(line).not.toContain(word)
  expect(line).toContain('@[user]:a.test')
})

test('a log file begins anew each day and old days go', () => {
  const folder = mkdtempSync(join(tmpdir(), 'lethe-log-'))
  const clock = new FakeClock(Date.UTC(2026, 0, 1, 12))
  const file = new LogFile({ path: join(folder, 'lethe.log'), retainMs: 3 * 86_400_000, clock })
  for (let day = 0; day < 6; day++) {
    file.write(`day ${day}\n`)
    clock.advance(86_400_000)
  }
  file.write('last\n')
  file.close()
  expect(readFileSync(join(folder, 'lethe.log'), 'utf8')).toBe('last\n')
  expect(readdirSync(folder).toSorted()).toEqual(['lethe.log', 'lethe.log.2026-01-05', 'lethe.log.2026-01-06'])
  expect(readFileSync(join(folder, 'lethe.log.2026-01-06'), 'utf8')).toBe('day 5\n')
  rmSync(folder, { recursive: true })
})
