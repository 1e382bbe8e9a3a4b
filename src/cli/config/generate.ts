import type { Field, Fields } from './field.ts'
import { schema } from './schema.ts'

const head = `# The configuration of Lethe. Everything but the server name may be left out; what stands here are the defaults.
# Durations: 30s, 5m, 12h, 7d. Sizes: 50MiB. Any key can be set by the environment: LETHE_REGISTRATION__ENABLED=true.
# Any secret can be read from a file instead: shared_secret_file: /run/secrets/registration.
# Paths of data start at data_dir, all others at the folder of this file.
`

/** The commented example of a configuration, with the defaults as its values. */
export function generateExample(serverName = 'example.org'): string {
  const blocks = Object.entries(schema).map(([key, field]) => block(key, field, serverName))
  return `${head}\n${blocks.join('\n')}`
}

function block(key: string, field: Field<unknown>, serverName: string): string {
  const comment =
    field.doc === ''
      ? ''
      : `${field.doc
          .split('\n')
          .map((line) => `# ${line}`)
          .join('\n')}\n`
  if (key === 'server_name') return `${comment}server_name: ${serverName}\n`
  if (field.kind !== 'section' || !field.fields) return `${comment}${leaf(key, field.initial, '')}\n`
  if (field.initial !== null) return `${comment}${key}:\n${section(field.fields, '  ')}`
  return `${comment}${key}: null\n${commented(`${key}:\n${section(field.fields, '  ')}`)}`
}

const commented = (text: string) => text.replaceAll(/^(?=.)/gm, '# ')

function section(fields: Fields, indent: string): string {
  return Object.entries(fields)
    .map(([key, field]) => {
      const doc = field.doc === '' ? '' : `  # ${field.doc}`
      if (field.kind !== 'section' || !field.fields) return `${leaf(`${indent}${key}`, field.initial, indent)}${doc}\n`
      if (field.initial !== null) return `${indent}${key}:${doc}\n${section(field.fields, `${indent}  `)}`
      return `${indent}${key}: null${doc}\n${commented(`${indent}${key}:\n${section(field.fields, `${indent}  `)}`)}`
    })
    .join('')
}

function leaf(key: string, initial: unknown, indent: string): string {
  const isBlock = Array.isArray(initial) && initial.some((item) => typeof item === 'object')
  if (!isBlock) return `${key}: ${flow(initial)}`
  return `${key}:\n${(initial as unknown[]).map((item) => `${indent}  - ${flow(item)}`).join('\n')}`
}

/** A value on one line. */
function flow(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(flow).join(', ')}]`
  if (typeof value === 'object' && value !== null) {
    const entries = Object.entries(value).map(([key, item]) => `${key}: ${flow(item)}`)
    return entries.length === 0 ? '{}' : `{ ${entries.join(', ')} }`
  }
  if (typeof value !== 'string') return value === undefined ? '""' : JSON.stringify(value)
  return !/^[a-z./_-][\w./-]*$|^\d+(?:\.\d+)?(?:[a-zA-Z]+|\/[smh])$/.test(value) ? JSON.stringify(value) : value
}
