import type { Field, Fields } from './field.ts'
import { readYaml } from './located.ts'
import type { Located, Problem } from './located.ts'
import { nearest } from './nearest.ts'
import { isKnown } from './section.ts'

type Env = Readonly<Record<string, string | undefined>>

/**
 * Puts `LETHE_SECTION__KEY=value` over the file's values; a value is YAML, or plain text where text is expected.
 * Names without `__` that are no key are not ours and are left alone.
 */
export function withEnvironment(root: Located, fields: Fields, env: Env, problems: Problem[]): Located {
  let made = root
  for (const [name, value] of Object.entries(env)) {
    if (!name.startsWith('LETHE_') || value === undefined) continue
    const path = name.slice('LETHE_'.length).toLowerCase().split('__')
    const known = find(fields, path)
    if (known === undefined) {
      if (path.length > 1) problems.push({ where: name, message: unknownMessage(fields, path) })
      continue
    }
    const isText = known === 'file' || (known.kind === 'text' && value !== 'null')
    made = put(made, path, isText ? { where: name, data: value } : relocate(readYaml(value, name), name))
  }
  return made
}

function find(fields: Fields, path: readonly string[]): Field<unknown> | 'file' | undefined {
  const [key = '', ...rest] = path
  const field = Object.hasOwn(fields, key) ? fields[key] : undefined
  if (!field) return rest.length === 0 && isKnown(fields, key) ? 'file' : undefined
  if (rest.length === 0) return field
  return field.kind === 'section' && field.fields ? find(field.fields, rest) : undefined
}

function unknownMessage(fields: Fields, path: readonly string[]): string {
  const parent = path.length === 1 ? undefined : find(fields, path.slice(0, -1))
  const candidates = typeof parent === 'object' ? Object.keys(parent.fields ?? {}) : Object.keys(fields)
  const meant = nearest(path.at(typeof parent === 'object' ? -1 : 0) ?? '', candidates)
  return `unknown key ${path.join('.')}${meant === undefined ? '' : `; did you mean ${meant}?`}`
}

function relocate(value: Located, where: string): Located {
  if (value.data instanceof Map) {
    const entries = [...(value.data as ReadonlyMap<string, Located>)].map(
      ([key, one]) => [key, relocate(one, where)] as const,
    )
    return { ...value, where, data: new Map(entries) }
  }
  const { data } = value
  return {
    ...value,
    where,
    data: Array.isArray(data) ? (data as readonly Located[]).map((one) => relocate(one, where)) : data,
  }
}

function put(root: Located, path: readonly string[], value: Located): Located {
  const [key = '', ...rest] = path
  const before = root.data instanceof Map ? (root.data as ReadonlyMap<string, Located>) : new Map<string, Located>()
  const inner = before.get(key) ?? { where: value.where, data: null }
  return { where: root.where, data: new Map(before).set(key, rest.length === 0 ? value : put(inner, rest, value)) }
}
