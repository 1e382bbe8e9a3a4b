import { createInterface } from 'node:readline/promises'
import { Writable } from 'node:stream'
import { systemClock } from '../util/system-ports.ts'
import type { Terminal } from './cli.ts'

/** The process's own terminal. */
export function processTerminal(): Terminal {
  // nobody reads any more: what is said is lost, and a line about that would be the next one to be lost
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined)
  return {
    env: process.env,
    isInteractive: process.stdin.isTTY === true && process.stderr.isTTY === true,
    now: () => systemClock.now(),
    print: (text) => void process.stdout.write(text),
    complain: (text) => void process.stderr.write(text),
    ask,
    readInput,
  }
}

async function ask(question: string, isHidden = false): Promise<string> {
  process.stderr.write(question)
  // What is typed is echoed by readline to its output, so a hidden answer gets one that swallows it.
  const output = isHidden ? new Writable({ write: (_chunk, _encoding, done) => done() }) : process.stderr
  const lines = createInterface({ input: process.stdin, output, terminal: true })
  try {
    return await lines.question('')
  } finally {
    lines.close()
    if (isHidden) process.stderr.write('\n')
  }
}

async function readInput(): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of process.stdin) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks).toString('utf8')
}
