import { MatrixError } from '../protocol/errors.ts'

/** What was read for a judgement changed before it could be applied: plan, fetch and judge again. */
export class Stale extends Error {
  override name = 'Stale'
}

/** A row of that key exists. */
export class UniqueViolation extends Error {
  override name = 'UniqueViolation'
  /** the statement that failed */
  readonly statement: string
  constructor(statement: string, options?: ErrorOptions) {
    super(`${statement}: a row with this key exists`, options)
    this.statement = statement
  }
}

/** The process that wrote here was replaced by another one. */
export class Fenced extends Error {
  override name = 'Fenced'
}

/** True for an insert or update that met an existing unique key. */
export function isUniqueViolation(error: unknown): error is UniqueViolation {
  return error instanceof UniqueViolation
}

/** The driver's code of an error (`SQLITE_FULL`, `23505`, `ECONNRESET`), or an empty string. */
export function driverCode(error: unknown): string {
  if (!(error instanceof Error)) return ''
  if ('code' in error && typeof error.code === 'string') return error.code
  return error.cause === undefined ? '' : driverCode(error.cause)
}

/** A statement failed; the message names it and the driver's code, never a value. */
export class StatementError extends Error {
  override name = 'StatementError'
  readonly code: string
  constructor(statement: string, code: string, options?: ErrorOptions) {
    super(`${statement}: ${code}`, options)
    this.code = code
  }
}

/** True where SQLite could not sync a file: what is on disk is unknown, and no later sync can be believed. */
export function isFailedSync(error: unknown): boolean {
  return /^SQLITE_IOERR_(DIR_)?FSYNC/.test(driverCode(error))
}

/** What callers get for an error of a file: 503 where the disk is full, read-only or failing, else the error itself. */
export function fileError(error: unknown): unknown {
  return /^(ENOSPC|EDQUOT|EROFS|EIO)$/.test(driverCode(error)) ? unavailable(error, 60_000) : error
}

/** The database cannot work now (disk full or read-only, lock held, server gone): 503, try again later. */
export function unavailable(cause: unknown, retryAfterMs = 5000): MatrixError {
  const error = new MatrixError('M_UNKNOWN', 'Nothing can be stored now', { retry_after_ms: retryAfterMs }, 503)
  error.cause = cause
  return error
}
