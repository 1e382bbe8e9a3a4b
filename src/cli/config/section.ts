import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { configName, field, refuse } from './field.ts'
import type { Field, Fields, Reading, Section } from './field.ts'
import { locatePlain } from './located.ts'
import type { Located } from './located.ts'
import { nearest } from './nearest.ts'

/** Keys below a key. Unknown ones are problems; missing ones have their defaults. */
export function section<F extends Fields>(doc: string, fields: F): Field<Section<F>, ''> {
  return field({
    kind: 'section',
    initial: {},
    doc,
    fields,
    read(value, reading) {
      const given = value.data ?? new Map<string, Located>()
      if (!(given instanceof Map)) return refuse(value, reading, 'expected keys and values')
      return readSection(fields, { where: value.where, data: given }, reading)
    },
  })
}

/** Reads the keys of a section whose value is a map. */
export function readSection<F extends Fields>(fields: F, value: Located, reading: Reading): Section<F> {
  const given = value.data as ReadonlyMap<string, Located>
  for (const [key, { where }] of given) if (!isKnown(fields, key)) refuseKey(fields, key, where, reading)
  const entries = Object.entries(fields).map(([key, known]) => {
    const found = given.get(key) ?? (known.isSecret ? fromFile(key, fields, value, reading) : undefined)
    if (!found && known.initial === undefined) refuse(value, reading, `${key} is missing`)
    const used = found ?? locatePlain(known.initial ?? null, value.where)
    return [configName(key, known.unit), !found && known.initial === undefined ? undefined : known.read(used, reading)]
  })
  return Object.fromEntries(entries) as Section<F>
}

/** The secret whose place is taken by `NAME_file`. */
function fromFile(key: string, fields: Fields, section: Located, reading: Reading): Located | undefined {
  const named = (section.data as ReadonlyMap<string, Located>).get(`${key}_file`)
  if (!named || Object.hasOwn(fields, `${key}_file`) || named.data === null) return undefined
  try {
    if (typeof named.data !== 'string') return refuse(named, reading, 'expected a path')
    const data = readFileSync(resolve(reading.folder, named.data), 'utf8').trim()
    return { where: named.where, data }
  } catch (error) {
    return refuse(named, reading, `${key}_file cannot be read: ${(error as NodeJS.ErrnoException).code}`)
  }
}

/** Whether a section has this key, or it is a secret's `NAME_file`. */
export function isKnown(fields: Fields, key: string): boolean {
  return Object.hasOwn(fields, key) || (key.endsWith('_file') && fields[key.slice(0, -5)]?.isSecret === true)
}

function refuseKey(fields: Fields, key: string, where: string, reading: Reading): void {
  const meant = nearest(key, Object.keys(fields))
  const hint = meant === undefined ? '' : `; did you mean ${meant}?`
  reading.problems.push({ where, message: `unknown key ${key}${hint}` })
}
