import { appendFileSync, existsSync, mkdirSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import type { LogSink } from './log.ts'
import type { Clock } from './ports.ts'

const dayMs = 86_400_000
const longestMs = 180 * dayMs

/** Options of a file of log lines. */
export interface LogFileOptions {
  readonly path: string
  /** how long a line is kept at most; never more than 180 days */
  readonly retainMs: number
  readonly clock: Clock
  /** told when the file cannot be written; the lines are lost */
  readonly onFault?: (error: unknown) => void
}

/**
 * A file of log lines that begins anew each day (UTC): older days are beside it as `NAME.YYYY-MM-DD` and are deleted by
 * age. Lines are gathered and written once a second, and by `flush`.
 */
export class LogFile implements LogSink {
  readonly #options: LogFileOptions
  #lines: string[] = []
  #day: string
  #cancel = () => {}

  constructor(options: LogFileOptions) {
    this.#options = options
    mkdirSync(dirname(options.path), { recursive: true })
    const { path, clock } = options
    this.#day = dayOf(existsSync(path) ? statSync(path).mtimeMs : clock.now())
    this.#tick()
  }

  write(line: string): void {
    this.#lines.push(line)
    if (this.#lines.length >= 1_000) this.flush()
  }

  /** Writes what was gathered. */
  flush(): void {
    const { path, clock, onFault } = this.#options
    const lines = this.#lines.splice(0).join('')
    try {
      const today = dayOf(clock.now())
      if (today !== this.#day) this.#turn(today)
      if (lines !== '') appendFileSync(path, lines, { mode: 0o600 })
    } catch (error) {
      onFault?.(error)
    }
  }

  close(): void {
    this.#cancel()
    this.flush()
  }

  #tick(): void {
    this.flush()
    this.#sweep()
    let seconds = 0
    const again = () => {
      this.flush()
      if (++seconds % 3_600 === 0) this.#sweep()
      this.#cancel = this.#options.clock.setTimer(1_000, again)
    }
    this.#cancel = this.#options.clock.setTimer(1_000, again)
  }

  #turn(today: string): void {
    const { path } = this.#options
    const old = `${path}.${this.#day}`
    if (existsSync(path) && !existsSync(old)) renameSync(path, old)
    this.#day = today
    this.#sweep()
  }

  // the newest line of a day's file is from the end of that day: it goes when its oldest is too old
  #sweep(): void {
    const { path, retainMs, clock, onFault } = this.#options
    const oldest = dayOf(clock.now() - Math.min(retainMs, longestMs))
    const prefix = `${basename(path)}.`
    try {
      for (const file of readdirSync(dirname(path))) {
        const day = file.startsWith(prefix) ? file.slice(prefix.length) : ''
        if (/^\d{4}-\d{2}-\d{2}$/.test(day) && day <= oldest) rmSync(join(dirname(path), file), { force: true })
      }
    } catch (error) {
      onFault?.(error)
    }
  }
}

const dayOf = (ts: number): string => new Date(ts).toISOString().slice(0, 10)
