import { resolve } from 'node:path'
import { field, refuse } from './field.ts'
import type { Field } from './field.ts'

/** Text; a number counts as it is spelled. */
export function text(
  initial: string | undefined,
  doc: string,
  check?: (value: string) => string | undefined,
): Field<string, ''> {
  return field({
    kind: 'text',
    initial,
    doc,
    read(value, reading) {
      const given = typeof value.data === 'number' ? (value.source ?? String(value.data)) : value.data
      if (typeof given !== 'string') return refuse(value, reading, 'expected text')
      const wrong = check?.(given)
      return wrong === undefined ? given : refuse(value, reading, wrong)
    },
  })
}

/** Text that is hidden by `config show` and can come from a file. */
export function secret(doc: string): Field<string | null, ''> {
  return { ...nullable(text(undefined, doc)), isSecret: true }
}

export function boolean(initial: boolean, doc: string): Field<boolean, ''> {
  return field({
    initial,
    doc,
    read: (value, reading) =>
      typeof value.data === 'boolean' ? value.data : refuse(value, reading, 'expected true or false'),
  })
}

/** A whole number within bounds, both included. */
export function integer(initial: number | undefined, least: number, most: number, doc: string): Field<number, ''> {
  return numeric(
    initial,
    doc,
    `a whole number from ${least} to ${most}`,
    (n) => Number.isInteger(n) && n >= least && n <= most,
  )
}

/** A number above zero. */
export function positive(initial: number, doc: string): Field<number, ''> {
  return numeric(initial, doc, 'a number above 0', (n) => Number.isFinite(n) && n > 0)
}

function numeric(
  initial: number | undefined,
  doc: string,
  what: string,
  isFine: (value: number) => boolean,
): Field<number, ''> {
  return field({
    initial,
    doc,
    read: ({ data, where }, reading) =>
      typeof data === 'number' && isFine(data) ? data : refuse({ data, where }, reading, `expected ${what}`),
  })
}

/** One of some words. */
export function choice<const T extends string>(
  initial: NoInfer<T> | undefined,
  choices: readonly T[],
  doc: string,
): Field<T, ''> {
  return field({
    kind: 'text',
    initial,
    doc,
    read: (value, reading) =>
      choices.find((one) => one === value.data) ?? refuse(value, reading, `expected one of ${choices.join(', ')}`),
  })
}

const secondMs = 1000
const unitMs = { ms: 1, s: secondMs, m: 60 * secondMs, h: 3600 * secondMs, d: 86_400 * secondMs, w: 604_800 * secondMs }
const durationGrammar = /^(\d+(?:\.\d+)?)(ms|s|m|h|d|w)$/

/** Milliseconds of `30s`, `5m`, `7d`; undefined where the text is no duration. */
export function parseDurationMs(spelled: unknown): number | undefined {
  const match = typeof spelled === 'string' ? durationGrammar.exec(spelled) : null
  return match ? Math.round(Number(match[1]) * unitMs[match[2] as keyof typeof unitMs]) : undefined
}

/** A duration, at most `most` where that is given. */
export function duration(initial: string, doc: string, most?: string): Field<number, 'Ms'> {
  return field({
    kind: 'text',
    initial,
    doc,
    unit: 'Ms',
    read(value, reading) {
      const ms = parseDurationMs(value.data)
      if (ms === undefined) return refuse(value, reading, 'expected a duration such as 30s, 5m or 7d')
      return ms > (parseDurationMs(most) ?? Infinity) ? refuse(value, reading, `at most ${most}`) : ms
    },
  })
}

const unitBytes = { B: 1, kB: 1e3, MB: 1e6, GB: 1e9, TB: 1e12, KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30, TiB: 2 ** 40 }
const sizeGrammar = /^(\d+(?:\.\d+)?) ?(B|kB|MB|GB|TB|KiB|MiB|GiB|TiB)$/

/** A size in bytes. */
export function size(initial: string, doc: string): Field<number, 'Bytes'> {
  return field({
    kind: 'text',
    initial,
    doc,
    unit: 'Bytes',
    read(value, reading) {
      const match = typeof value.data === 'string' ? sizeGrammar.exec(value.data) : null
      if (!match) return refuse(value, reading, 'expected a size such as 50MiB')
      return Math.round(Number(match[1]) * unitBytes[match[2] as keyof typeof unitBytes])
    },
  })
}

const perUnitSeconds = { s: 1, m: 60, h: 3600 }

/** How many a second: `5/s`, `100/m`, or `none` for no limit (Infinity). */
export function rate(initial: string, doc: string): Field<number, ''> {
  return field({
    kind: 'text',
    initial,
    doc,
    read(value, reading) {
      if (value.data === 'none') return Infinity
      const match = typeof value.data === 'string' ? /^(\d+(?:\.\d+)?)\/(s|m|h)$/.exec(value.data) : null
      if (!match || Number(match[1]) === 0) return refuse(value, reading, 'expected a rate such as 5/s, or none')
      return Number(match[1]) / perUnitSeconds[match[2] as keyof typeof perUnitSeconds]
    },
  })
}

/** A path, made absolute: relative ones of data start at the data directory, others where the configuration file is. */
export function path(from: 'data' | 'config', initial: string | undefined, doc: string): Field<string, ''> {
  return field({
    kind: 'text',
    initial,
    doc,
    read: (value, reading) =>
      typeof value.data === 'string' && value.data !== ''
        ? resolve(from === 'data' ? reading.dataDir : reading.folder, value.data)
        : refuse(value, reading, 'expected a path'),
  })
}

/** The same, or null, which is the default. */
export function nullable<T, Unit extends string>(inner: Field<T, Unit>): Field<T | null, Unit> {
  return {
    ...inner,
    initial: null,
    read: (value, reading) => (value.data === null ? null : inner.read(value, reading)),
  }
}

/** A list of whatever `item` reads. */
export function list<T>(initial: readonly unknown[], item: Field<T>, doc: string): Field<readonly T[], ''> {
  return field({
    initial,
    doc,
    fields: item.fields,
    read: (value, reading) =>
      Array.isArray(value.data)
        ? (value.data as readonly (typeof value)[]).map((one) => item.read(one, reading))
        : refuse(value, reading, 'expected a list'),
  })
}

/** Names that the operator chooses, each with whatever `item` reads. */
export function record<T>(item: Field<T>, doc: string): Field<Readonly<Record<string, T>>, ''> {
  return field({
    initial: {},
    doc,
    read: (value, reading) =>
      value.data instanceof Map
        ? Object.fromEntries([...value.data].map(([key, one]) => [key, item.read(one, reading)]))
        : refuse(value, reading, 'expected names with values'),
  })
}
