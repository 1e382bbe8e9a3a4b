#!/usr/bin/env node
import { runCli } from './cli/program.ts'
import { processTerminal } from './cli/terminal.ts'

const code = await runCli(process.argv.slice(2), processTerminal())
// Whatever still holds the process (a keep-alive connection, a worker) has nothing more to do.
process.exit(code)
