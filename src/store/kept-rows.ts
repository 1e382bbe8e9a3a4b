import { tables } from '../../schema/tables/index.ts'
import type { Conn } from './database.ts'
import { sqlQuery } from './query.ts'
import type { Subject } from './scrub.ts'
import { foldLocalpart } from './tombstones.ts'
import { localpartOf } from '../protocol/ids.ts'

/** Rows of a person that the data map keeps, or of which it keeps a part. */
export interface KeptRows {
  readonly table: string
  readonly holds: string
  readonly count: number
  readonly why: string
}

const counted = tables
  .filter(({ map }) => map.subject.length > 0 && (map.erasure === 'keep' || map.erasure === 'prune'))
  .filter(({ name }) => name !== 'journal_lines' && name !== 'events')
  .map(({ name, map, columns }) => ({
    name,
    map,
    count: sqlQuery<{ nid: number; id: string; localpart: string }, { n: number | string }>(
      `countKept_${name}`,
      `select count(*) as n from ${name} where ${map.subject
        .map((column) => {
          const kind = columns[column]?.kind
          const value = kind === 'int' || kind === 'serial' ? ':nid' : column === 'localpart' ? ':localpart' : ':id'
          return `${column} = ${value}`
        })
        .join(' or ')}`,
    ),
  }))

/** What is left of a person by table, and why: the rows that the data map keeps. */
export async function listKeptRows(conn: Conn, { userNid, userId }: Subject): Promise<KeptRows[]> {
  const kept: KeptRows[] = []
  for (const { name, map, count } of counted) {
    const values = { nid: userNid, id: userId, localpart: foldLocalpart(localpartOf(userId)) }
    const n = Number((await count.first(conn, values))?.n ?? 0)
    const why = map.reason ?? 'only what the table needs is left of the row, nothing that says more than the user id'
    if (n > 0) kept.push({ table: name, holds: map.holds, count: n, why })
  }
  return kept
}
