import { tables } from '../../schema/tables/index.ts'
import type { Conn } from './database.ts'
import { sqlQuery } from './query.ts'

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

interface Searched {
  readonly table: string
  readonly column: string
  readonly subjects: readonly string[]
  readonly primary: readonly string[]
  readonly find: ReturnType<typeof sqlQuery<{ needle: string; most: number }, Record<string, number | string | null>>>
}

const searched: readonly Searched[] = tables.flatMap(({ name, columns, map, primary }) =>
  Object.entries(columns)
    .filter(([, { kind }]) => kind === 'text' || kind === 'json')
    .map(([column]): Searched => {
      const wanted = [...new Set([...primary, ...map.subject, column])].join(', ')
      const where = { sqlite: `instr(${column}, :needle) > 0`, postgres: `strpos(${column}, :needle) > 0` }
      return {
        table: name,
        column,
        subjects: map.subject,
        primary,
        find: sqlQuery(
          `search_${name}_${column}`,
          ({ engine }) => `select ${wanted} from ${name} where ${where[engine]} limit :most`,
        ),
      }
    }),
)

/** Every text column of every table, one at a time: where `needle` stands, exactly as written; at most `most` rows of each. */
export async function* searchTables(conn: Conn, needle: string, most: number): AsyncGenerator<TextHit[]> {
  for (const { table, column, subjects, primary, find } of searched) {
    const rows = await find(conn, { needle, most })
    yield rows.map((row) => ({
      table,
      column,
      text: String(row[column] ?? ''),
      subjects: subjects.map((name) => row[name] ?? null),
      key: primary.map((name) => row[name] as number | string),
    }))
  }
}
