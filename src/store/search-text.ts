import { tables } from '../../schema/tables/index.ts'
import type { Conn } from './database.ts'
import { sqlQuery } from './query.ts'
import type { Engine } from './statement.ts'

/** A row in which a text was found. */
export interface TextHit {
  readonly table: string
  readonly column: string
  /** what the column holds */
  readonly text: string
  /** the row's subjects, as stored: row ids of users, or user ids */
  readonly subjects: readonly (number | string | null)[]
  /** the row's primary key */
  readonly key: readonly (number | string)[]
}

type Row = Record<string, number | string | null>
type Key = readonly (number | string)[]

interface Searched {
  readonly table: string
  readonly column: string
  readonly subjects: readonly string[]
  readonly primary: readonly string[]
  readonly first: ReturnType<typeof sqlQuery<{ needle: string; most: number }, Row>>
  /** as `first`, after the row of a key: its parts are `k0`, `k1` and so on */
  readonly next: ReturnType<typeof sqlQuery<{ needle: string; most: number } & Record<string, number | string>, Row>>
}

const searched: readonly Searched[] = tables.flatMap(({ name, columns, map, primary }) =>
  Object.entries(columns)
    .filter(([, { kind }]) => kind === 'text' || kind === 'json')
    .map(([column]): Searched => {
      const wanted = [...new Set([...primary, ...map.subject])].join(', ')
      const isHit = { sqlite: `instr(${column}, :needle) > 0`, postgres: `strpos(${column}, :needle) > 0` }
      const key = primary.join(', ')
      const after = `(${key}) > (${primary.map((_, i) => `:k${i}`).join(', ')})`
      const end = `order by ${key} limit :most`
      const select = (engine: Engine) =>
        `select ${wanted}, case when ${isHit[engine]} then ${column} end as found_text from ${name}`
      return {
        table: name,
        column,
        subjects: map.subject,
        primary,
        first: sqlQuery(`search_${name}_${column}`, ({ engine }) => `${select(engine)} ${end}`),
        next: sqlQuery(`search_on_${name}_${column}`, ({ engine }) => `${select(engine)} where ${after} ${end}`),
      }
    }),
)

/**
 * Every text column of every table, one after the other: all rows in which `needle` stands, exactly as written. Each step
 * looks at `most` rows and gives those of them that have it, perhaps none, so that no statement takes long.
 */
export async function* searchTables(conn: Conn, needle: string, most: number): AsyncGenerator<TextHit[]> {
  for (const { table, column, subjects, primary, first, next } of searched) {
    const keyOf = (row: Row): Key => primary.map((name) => row[name] as number | string)
    let rows = await first(conn, { needle, most })
    for (;;) {
      yield rows.flatMap((row) =>
        row.found_text === null
          ? []
          : {
              table,
              column,
              text: String(row.found_text),
              subjects: subjects.map((name) => row[name] ?? null),
              key: keyOf(row),
            },
      )
      const last = rows.at(-1)
      if (last === undefined || rows.length < most) break
      const after = Object.fromEntries(keyOf(last).map((part, i) => [`k${i}`, part]))
      rows = await next(conn, { needle, most, ...after })
    }
  }
}
