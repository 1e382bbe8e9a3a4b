import pino from 'pino'
import { scrub } from './scrub.ts'

/** How much is logged. */
export type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal' | 'silent'

/** Facts beside a message: numbers, codes, routes; never what people write, their names or tokens. */
export type LogFields = Readonly<Record<string, unknown>>

/** Where everything reports to. `error` in the fields may be an Error. */
export interface Log {
  trace(message: string, fields?: LogFields): void
  debug(message: string, fields?: LogFields): void
  info(message: string, fields?: LogFields): void
  warn(message: string, fields?: LogFields): void
  error(message: string, fields?: LogFields): void
  fatal(message: string, fields?: LogFields): void
  /** A log that adds these fields to every line. */
  child(fields: LogFields): Log
}

/** Takes finished lines. */
export interface LogSink {
  write(line: string): void
}

/** Options of a log. */
export interface LogOptions {
  readonly level: LogLevel
  /** where lines of JSON go, each to all of them */
  readonly sinks: readonly LogSink[]
}

const secret = [
  'password',
  'token',
  'access_token',
  'refresh_token',
  'login_token',
  'authorization',
  'cookie',
  'secret',
  'body',
  'content',
  'email',
  'address',
  'ip',
  'displayname',
  'user_agent',
]
const redact = { paths: secret.flatMap((key) => [key, `*.${key}`]), censor: '[hidden]' }

/** What a log keeps of an error: kind, code, message and place, scrubbed; no details of a driver, no values. */
function describeError(error: unknown): unknown {
  if (!(error instanceof Error)) return typeof error === 'string' ? scrub(error) : typeof error
  const code = 'code' in error && typeof error.code === 'string' ? error.code : undefined
  const { name, message, stack = '', cause } = error
  const made = { name, code, message: scrub(message), stack: scrub(stack.split('\n    at ').slice(1, 8).join(' < ')) }
  return cause === undefined ? made : { ...made, cause: describeError(cause) }
}

/** Makes a log of lines of JSON (`time` in ms, `level`, `msg`, fields). */
export function createLog({ level, sinks }: LogOptions): Log {
  const write = (line: string) => {
    for (const sink of sinks) sink.write(line)
  }
  const options: pino.LoggerOptions = {
    level,
    base: null,
    redact,
    serializers: { error: describeError },
    formatters: { level: (label) => ({ level: label }) },
  }
  return wrap(pino(options, { write }))
}

function wrap(logger: pino.Logger): Log {
  const at =
    (level: Exclude<LogLevel, 'silent'>) =>
    (message: string, fields: LogFields = {}) => {
      if (logger.isLevelEnabled(level)) logger[level](fields, scrub(message))
    }
  return {
    trace: at('trace'),
    debug: at('debug'),
    info: at('info'),
    warn: at('warn'),
    error: at('error'),
    fatal: at('fatal'),
    child: (fields) => wrap(logger.child(fields)),
  }
}

/** A log that keeps nothing. */
export const silentLog: Log = createLog({ level: 'silent', sinks: [] })
