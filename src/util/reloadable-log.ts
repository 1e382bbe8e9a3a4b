import type { Log, LogFields } from './log.ts'

/** A log whose place or level can be changed while others hold it, and its children. */
export class ReloadableLog implements Log {
  #target: () => Log

  constructor(target: Log | (() => Log)) {
    this.#target = typeof target === 'function' ? target : () => target
  }

  /** From now on everything goes to this log. */
  replace(target: Log): void {
    this.#target = () => target
  }

  trace(message: string, fields?: LogFields): void {
    this.#target().trace(message, fields)
  }
  debug(message: string, fields?: LogFields): void {
    this.#target().debug(message, fields)
  }
  info(message: string, fields?: LogFields): void {
    this.#target().info(message, fields)
  }
  warn(message: string, fields?: LogFields): void {
    this.#target().warn(message, fields)
  }
  error(message: string, fields?: LogFields): void {
    this.#target().error(message, fields)
  }
  fatal(message: string, fields?: LogFields): void {
    this.#target().fatal(message, fields)
  }

  child(fields: LogFields): Log {
    return new ReloadableLog(() => this.#target().child(fields))
  }
}
