import { encodeText } from './text-codec.ts'

/** The two databases. */
export type Engine = 'sqlite' | 'postgres'

/** Where the value of one parameter of a statement comes from. */
export interface Slot {
  /** name of the parameter; without one, `value` is bound */
  readonly name?: string
  readonly value?: unknown
  /** the column's own mapping */
  readonly encode?: (value: unknown) => unknown
}

/** Makes a row as callers see it from the driver's list of values. */
export type Decode = (row: readonly unknown[]) => unknown

/** A statement as one engine understands it. */
export interface Compiled {
  readonly sql: string
  readonly slots: readonly Slot[]
  /** none for a statement without rows */
  readonly decode: Decode | undefined
  /** makes that function once the names of the columns are known, for raw SQL */
  readonly decoder?: (columns: readonly string[]) => Decode
}

/** A statement declared once, at module level, and compiled and prepared when first used. */
export interface Statement {
  /** small and dense: connections keep what they prepared in an array */
  readonly id: number
  readonly name: string
  compile(engine: Engine): Compiled
}

/** Values by parameter name. */
export type Values = object

let statements = 0
const names = new Set<string>()

/** Registers a statement; its name must be its own. */
export function declareStatement(name: string, compile: (engine: Engine) => Compiled): Statement {
  if (names.has(name)) throw new Error(`two statements are called ${name}`)
  names.add(name)
  const compiled: Partial<Record<Engine, Compiled>> = {}
  return { id: statements++, name, compile: (engine) => (compiled[engine] ??= compile(engine)) }
}

/** The form of any value that the driver of the engine takes; lists become JSON. */
export function toDriver(engine: Engine, value: unknown): unknown {
  switch (typeof value) {
    case 'string':
      return encodeText(value)
    case 'boolean':
      return engine === 'sqlite' ? Number(value) : value
    case 'number':
      if (!Number.isSafeInteger(value)) throw new TypeError(`${value} is no integer that the database can keep`)
      return value
    case 'object':
      return Array.isArray(value) ? listText(value) : value
    default:
      throw new TypeError(`a ${typeof value} cannot be bound`)
  }
}

function listText(values: readonly unknown[]): string {
  // most lists are of row ids, and a function called for each of them costs more than the rest of a small statement
  if (values.every(Number.isSafeInteger)) return `[${values.join(',')}]`
  if (values.every(isText)) return JSON.stringify(values.map(encodeText))
  return `[${values.map(itemText).join(',')}]`
}

const isText = (value: unknown): value is string => typeof value === 'string'

function itemText(value: unknown): string {
  if (Array.isArray(value)) return listText(value)
  if (typeof value !== 'object') return JSON.stringify(encodeInner(value)) ?? 'null'
  return JSON.stringify(value, (_, inner: unknown) => encodeInner(inner))
}

function encodeInner(value: unknown): unknown {
  if (typeof value === 'string') return encodeText(value)
  if (typeof value === 'number' && !Number.isSafeInteger(value)) throw new TypeError(`${value} cannot be kept`)
  return value
}

/** The values of a call in the order in which the statement takes them. Throws when one is missing. */
export function bind(engine: Engine, { slots }: Compiled, values: Values): unknown[] {
  const bound: unknown[] = []
  const given = values as Readonly<Record<string, unknown>>
  for (const { name, value, encode } of slots) {
    const raw = name === undefined ? value : given[name]
    if (raw === undefined) throw new TypeError(`no value for ${name}`)
    bound.push(raw === null ? null : toDriver(engine, encode ? encode(raw) : raw))
  }
  return bound
}
