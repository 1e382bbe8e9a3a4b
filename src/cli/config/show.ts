import type { Field, Fields } from './field.ts'
import type { Located } from './located.ts'
import { schema } from './schema.ts'

/** The effective values as they would be written, every secret replaced by `(hidden)`. */
export function effectiveValues(given: Located): Readonly<Record<string, unknown>> {
  return showSection(schema, given)
}

function showSection(fields: Fields, given: Located | undefined): Record<string, unknown> {
  const data = given?.data instanceof Map ? (given.data as ReadonlyMap<string, Located>) : new Map<string, Located>()
  const shown: Record<string, unknown> = {}
  for (const [key, field] of Object.entries(fields)) shown[key] = show(field, data.get(key))
  for (const [key, value] of data) if (!Object.hasOwn(fields, key)) shown[key] = plain(value)
  return shown
}

function show(field: Field<unknown>, given: Located | undefined): unknown {
  if (field.isSecret) return given === undefined || given.data === null ? null : '(hidden)'
  if (field.kind === 'section' && field.fields) {
    const isNull = given === undefined ? field.initial === null : given.data === null && field.initial === null
    return isNull ? null : showSection(field.fields, given)
  }
  if (given === undefined) return field.initial ?? null
  const { fields } = field
  if (fields && Array.isArray(given.data))
    return (given.data as readonly Located[]).map((item) => showSection(fields, item))
  return plain(given)
}

function plain({ data }: Located): unknown {
  if (Array.isArray(data)) return (data as readonly Located[]).map(plain)
  if (data instanceof Map) {
    return Object.fromEntries([...(data as ReadonlyMap<string, Located>)].map(([key, value]) => [key, plain(value)]))
  }
  return data
}
