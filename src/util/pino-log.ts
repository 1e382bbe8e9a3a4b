import { mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import pino from 'pino'
import type { Config, LogLevel } from './config.ts'
import type { Log } from './log.ts'
import type { Clock } from './ports.ts'

/** A log that can be told to say more or less, and ends with the process. */
export interface ProcessLog extends Log {
  setLevel(level: LogLevel): void
  /** Writes what is buffered. */
  flush(): void
}

/** JSON lines to standard output, or to a file that is replaced each day; old files are deleted after the retention. */
export function openLog(config: Config['logging'], clock: Clock): ProcessLog {
  const file = config.file === null ? undefined : new LogFile(config.file, config.retainMs, clock)
  const target = file?.destination ?? pino.destination({ fd: 1, sync: true })
  const logger = pino({ base: null, level: config.level, timestamp: pino.stdTimeFunctions.isoTime }, target)
  const write = (level: 'debug' | 'info' | 'warn' | 'error', message: string, fields: object = {}) => {
    file?.beforeLine()
    logger[level](fields, message)
  }
  return {
    debug: (message, fields) => write('debug', message, fields),
    info: (message, fields) => write('info', message, fields),
    warn: (message, fields) => write('warn', message, fields),
    error: (message, fields, cause) => write('error', message, cause === undefined ? fields : { ...fields, cause: describe(cause) }),
    setLevel(level) {
      logger.level = level
    },
    flush: () => target.flushSync(),
  }
}

/** Name, code and stack of an error and of what caused it. A syntax error's message quotes the text, so it is left out. */
function describe(error: unknown, depth = 0): object {
  if (!(error instanceof Error)) return { name: typeof error }
  const { name, message, stack, cause } = error
  const code = 'code' in error && typeof error.code === 'string' ? error.code : undefined
  return {
    name,
    ...(code === undefined ? {} : { code }),
    ...(error instanceof SyntaxError ? {} : { message }),
    at: (stack ?? '').split('\n').filter((line) => /^\s+at /.test(line)).slice(0, 12).map((line) => line.trim()),
    ...(cause === undefined || depth > 2 ? {} : { cause: describe(cause, depth + 1) }),
  }
}

const dayMs = 86_400_000

class LogFile {
  readonly destination: ReturnType<typeof pino.destination>
  readonly #path: string
  readonly #retainMs: number
  readonly #clock: Clock
  #day: number

  constructor(path: string, retainMs: number, clock: Clock) {
    this.#path = path
    this.#retainMs = retainMs
    this.#clock = clock
    this.#day = this.#today()
    mkdirSync(dirname(path), { recursive: true })
    this.destination = pino.destination({ dest: path, sync: true, mode: 0o600 })
    this.#dropOld()
  }

  beforeLine(): void {
    const today = this.#today()
    if (today === this.#day) return
    const yesterday = new Date(this.#day * dayMs).toISOString().slice(0, 10)
    this.#day = today
    renameSync(this.#path, `${this.#path}.${yesterday}`)
    this.destination.reopen(this.#path)
    this.#dropOld()
  }

  #today(): number {
    return Math.floor(this.#clock.now() / dayMs)
  }

  #dropOld(): void {
    const folder = dirname(this.#path)
    const prefix = `${basename(this.#path)}.`
    for (const name of readdirSync(folder)) {
      const day = name.startsWith(prefix) ? Date.parse(name.slice(prefix.length)) : NaN
      if (day + dayMs + this.#retainMs < this.#clock.now()) rmSync(join(folder, name), { force: true })
    }
  }
}
