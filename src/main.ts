#!/usr/bin/env node
import { runCli } from './cli/program.ts'
import { processTerminal } from './cli/terminal.ts'

// Whatever still holds the process at the end (a keep-alive connection, a worker) has nothing more to do.
void runCli(process.argv.slice(2), processTerminal()).then((code) => process.exit(code))
