import { Command, CommanderError } from 'commander'
import { MatrixError } from '../protocol/errors.ts'
import { Cli, CliError, UsageError } from './cli.ts'
import type { CommandGroup, Terminal } from './cli.ts'
import { configCommands } from './config-commands.ts'
import { eraseCommand } from './erase-command.ts'
import { erasureCommands } from './erasure-commands.ts'
import { ConfigError } from './config/located.ts'
import { keyCommands } from './key-commands.ts'
import { migrateCommand } from './migrate-command.ts'
import { privacyCommands } from './privacy-commands.ts'
import { routesCommand } from './routes-command.ts'
import { serveCommand } from './serve-command.ts'
import { tokenCommands } from './token-commands.ts'
import { userCommands } from './user-commands.ts'

/** Every group of commands, in the order of the help text. */
const groups: readonly CommandGroup[] = [
  serveCommand,
  configCommands,
  migrateCommand,
  userCommands,
  tokenCommands,
  keyCommands,
  eraseCommand,
  erasureCommands,
  privacyCommands,
  routesCommand,
]

/** Runs the command line; gives the exit code: 0 done, 1 refused or failed, 2 wrong usage. */
export async function runCli(args: readonly string[], terminal: Terminal): Promise<number> {
  const program = new Command('lethe')
  program
    .description('A Matrix homeserver that can forget.')
    .option('--config <file>', 'configuration file (config.yaml in the working directory unless given)')
    .option('--json', 'print data as JSON')
    .exitOverride()
    .configureOutput({ writeOut: (text) => terminal.print(text), writeErr: (text) => terminal.complain(text) })
  const cli = new Cli(terminal, program)
  for (const group of groups) group(program, cli)
  try {
    await program.parseAsync([...args], { from: 'user' })
    return 0
  } catch (error) {
    return exitCode(error, terminal)
  }
}

function exitCode(error: unknown, terminal: Terminal): number {
  // commander has already printed its message
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2
  const isExpected = error instanceof CliError || error instanceof ConfigError || error instanceof MatrixError
  const reason =
    error instanceof Error ? (isExpected ? error.message : `${error.name}: ${error.message}`) : String(error)
  terminal.complain(`${reason}\n`)
  return error instanceof UsageError ? 2 : 1
}
