import { LineCounter, isAlias, isMap, isScalar, isSeq, parseDocument } from 'yaml'
import type { Document, Node } from 'yaml'

/** A value together with where it was written, for messages. */
export interface Located {
  /** as `config.yaml:12` or `LETHE_SERVER_NAME` */
  readonly where: string
  readonly data: null | boolean | number | string | readonly Located[] | ReadonlyMap<string, Located>
  /** how a scalar was spelled, where that is not its value */
  readonly source?: string
}

/** Something wrong in the configuration. */
export interface Problem {
  readonly where: string
  readonly message: string
}

/** The configuration cannot be used; one line for each problem. */
export class ConfigError extends Error {
  override name = 'ConfigError'
  readonly problems: readonly Problem[]

  constructor(problems: readonly Problem[]) {
    super(problems.map(({ where, message }) => `${where}: ${message}`).join('\n'))
    this.problems = problems
  }
}

/** Reads YAML; `name` is the file's name in messages. Throws ConfigError for what is no YAML, or twice the same key. */
export function readYaml(text: string, name: string): Located {
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines, merge: false, prettyErrors: false })
  const at = (offset: number) => `${name}:${lines.linePos(offset).line}`
  if (document.errors.length > 0) {
    throw new ConfigError(document.errors.map(({ pos, message }) => ({ where: at(pos[0]), message })))
  }
  return locate(document.contents, document, at, at(0))
}

function locate(node: Node | null, document: Document, at: (offset: number) => string, fallback: string): Located {
  const where = node?.range ? at(node.range[0]) : fallback
  if (node === null) return { where, data: null }
  if (isAlias(node)) return locate(node.resolve(document) ?? null, document, at, where)
  if (isSeq(node)) return { where, data: node.items.map((item) => locate(item as Node, document, at, where)) }
  if (isMap(node)) {
    const entries = node.items.map(({ key, value }): [string, Located] => {
      const keyWhere = (key as Node).range ? at((key as Node).range?.[0] ?? 0) : where
      const found = locate(value as Node | null, document, at, keyWhere)
      return [String(isScalar(key) ? key.value : key), { ...found, where: keyWhere }]
    })
    return { where, data: new Map(entries) }
  }
  const { value, source } = node as { value?: unknown; source?: string }
  const isPlain = value === null || typeof value === 'boolean' || typeof value === 'number' || typeof value === 'string'
  return { where, data: isPlain ? value : (source ?? ''), ...(source === undefined ? {} : { source }) }
}

/** Makes a located value of a plain one. */
export function locatePlain(value: unknown, where: string): Located {
  if (Array.isArray(value)) return { where, data: value.map((item) => locatePlain(item, where)) }
  if (typeof value === 'object' && value !== null) {
    return { where, data: new Map(Object.entries(value).map(([key, item]) => [key, locatePlain(item, where)])) }
  }
  return { where, data: value as null | boolean | number | string }
}
