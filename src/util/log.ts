/** What a log line may carry besides its text: numbers, routes, ids of rooms and jobs; never content, tokens or addresses. */
export type LogFields = Readonly<Record<string, string | number | boolean | undefined>>

/** Where the server writes down what it does. Never message text, names, tokens, e-mail addresses or full IP addresses. */
export interface Log {
  debug(message: string, fields?: LogFields): void
  info(message: string, fields?: LogFields): void
  warn(message: string, fields?: LogFields): void
  /** `cause` adds its name, its code and its stack. */
  error(message: string, fields?: LogFields, cause?: unknown): void
}

/** Says nothing: for tests and one-shot commands. */
export const silentLog: Log = { debug() {}, info() {}, warn() {}, error() {} }
