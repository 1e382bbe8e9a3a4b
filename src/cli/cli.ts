import type { Command } from 'commander'
import { loadConfig } from './config/load.ts'
import type { Loaded } from './config/load.ts'

/** What a command has of the terminal and the process; a test gives its own. */
export interface Terminal {
  readonly env: Readonly<Record<string, string | undefined>>
  /** whether somebody can answer questions */
  readonly isInteractive: boolean
  /** ms since 1970 */
  now(): number
  print(text: string): void
  complain(text: string): void
  /** Asks for a line; `isHidden` does not show what is typed. */
  ask(question: string, isHidden?: boolean): Promise<string>
  /** All of standard input. */
  readInput(): Promise<string>
}

/** A command was refused or failed: one line of reason, exit code 1. */
export class CliError extends Error {
  override name = 'CliError'
}

/** A command was called in a way that cannot be meant: exit code 2, as for what the parser refuses. */
export class UsageError extends CliError {
  override name = 'UsageError'
}

/** What every command works with. */
export class Cli {
  readonly terminal: Terminal
  readonly #program: Command

  constructor(terminal: Terminal, program: Command) {
    this.terminal = terminal
    this.#program = program
  }

  /** The configuration that `--config` names. Throws ConfigError. */
  load(): Loaded {
    const { config } = this.#program.opts<{ config?: string }>()
    return loadConfig(config, this.terminal.env)
  }

  /** Whether `--json` was given. */
  get isJson(): boolean {
    return this.#program.opts<{ json?: boolean }>().json === true
  }

  /** Prints data: JSON where that was asked for, else the text that `format` makes of it. */
  printData<T>(data: T, format: (data: T) => string): void {
    this.terminal.print(this.isJson ? `${JSON.stringify(data, null, 2)}\n` : `${format(data)}\n`)
  }
}

/** Adds the commands of one group to the program. */
export type CommandGroup = (program: Command, cli: Cli) => void
