import { expect, test } from 'vitest'
import type { Terminal } from '../../../src/cli/cli.ts'
import { runCli } from '../../../src/cli/program.ts'

async function run(...args: string[]): Promise<{ readonly code: number; readonly said: string }> {
  let said = ''
  const terminal: Terminal = {
    env: {},
    isInteractive: false,
    now: () => 0,
    print: () => {},
    complain: (text) => void (said += text),
    ask: () => Promise.reject(new Error('nobody is there')),
    readInput: () => Promise.resolve(''),
  }
  return { code: await runCli(args, terminal), said }
}

test.each([
  [['erase', 'alice'], '--reason'],
  [['erase', 'alice', '--reason', ' '], '--reason'],
  [['erase'], 'user'],
  [['token', 'create', '--uses', 'many'], '--uses'],
  [['token', 'create', '--for', 'ever'], '--for'],
  [['erase', 'alice', '--nonsense'], '--nonsense'],
])('wrong usage is exit code 2: lethe %j', async (args, named) => {
  const { code, said } = await run(...args)
  expect(code).toBe(2)
  expect(said).toContain(named)
})

test('a refusal is exit code 1', async () => {
  expect((await run('config', 'check', '--config', '/nowhere/config.yaml')).code).toBe(1)
})
