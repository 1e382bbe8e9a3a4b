import * as v from 'valibot'
import { MatrixError } from '../protocol/errors.ts'
import type { ErrCode } from '../protocol/errors.ts'
import type { JsonObject } from '../protocol/json-types.ts'

type Issue = v.BaseIssue<unknown>

/** The path's parameters through the endpoint's schema. Throws `M_INVALID_PARAM`. */
export function checkParams(schema: v.GenericSchema | undefined, params: Readonly<Record<string, string>>): unknown {
  return schema ? check(schema, params, () => 'M_INVALID_PARAM') : params
}

/** The query through the endpoint's schema. Throws `M_MISSING_PARAM` or `M_INVALID_PARAM`. */
export function checkQuery(schema: v.GenericSchema | undefined, search: () => URLSearchParams): unknown {
  return schema ? check(schema, queryObject(search()), queryError) : {}
}

/** The body through the endpoint's schema. Throws `M_BAD_JSON` for a wrong shape, `M_INVALID_PARAM` for a wrong value. */
export function checkBody(schema: v.GenericSchema, body: JsonObject): unknown {
  return check(schema, body, (issue) => (issue.kind === 'schema' ? 'M_BAD_JSON' : 'M_INVALID_PARAM'))
}

function check(schema: v.GenericSchema, input: unknown, errcodeOf: (issue: Issue) => ErrCode): unknown {
  const result = v.safeParse(schema, input, { abortEarly: true })
  if (result.success) return result.output
  const issue = result.issues[0]
  const where = v.getDotPath(issue)
  const reason = issue.input === undefined ? 'missing' : reasonOf(issue)
  throw new MatrixError(errcodeOf(issue), where === null ? reason : `${where}: ${reason}`)
}

const queryError = (issue: Issue): ErrCode => (issue.input === undefined ? 'M_MISSING_PARAM' : 'M_INVALID_PARAM')

// valibot's own message quotes the value, which may be private.
function reasonOf(issue: Issue): string {
  if (!issue.message.startsWith('Invalid ')) return issue.message
  return issue.expected === null ? 'not valid' : `expected ${issue.expected}`
}

function queryObject(search: URLSearchParams): Record<string, string | string[]> {
  const query: Record<string, string | string[]> = {}
  for (const [key, value] of search) {
    const before = Object.hasOwn(query, key) ? query[key] : undefined
    const now = before === undefined ? value : [...[before].flat(), value]
    Object.defineProperty(query, key, { value: now, enumerable: true, configurable: true, writable: true })
  }
  return query
}
