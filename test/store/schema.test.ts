import { readFileSync, readdirSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { checkDataMap } from '../../schema/data-map.ts'
import { allTables } from '../../schema/kit.ts'
import { renderSchema } from '../../schema/render.ts'
import { tables } from '../../schema/tables/index.ts'
import { listMigrations, migrate, splitStatements } from '../../src/store/migrate.ts'
import type { Migration } from '../../src/store/migrate.ts'
import { postgresMigrator } from '../../src/store/postgres-migrator.ts'
import { sqlQuery } from '../../src/store/query.ts'
import { openSqliteConn } from '../../src/store/sqlite-conn.ts'
import { sqliteMigrator } from '../../src/store/sqlite-migrator.ts'
import type { Engine } from '../../src/store/statement.ts'
import { systemClock } from '../../src/util/system-ports.ts'
import { engines, makePlace, testMigrations } from '../support/store.ts'

const listColumns = sqlQuery<object, { table_name: string; column_name: string }>('s.listColumns', {
  sqlite: `select m.name as table_name, c.name as column_name from sqlite_schema m, pragma_table_info(m.name) c
           where m.type = 'table' and m.name not like 'sqlite\\_%' escape '\\' order by 1, 2`,
  postgres: `select table_name::text, column_name::text from information_schema.columns
             where table_schema = current_schema() order by table_name collate "C", column_name collate "C"`,
})

const declared = () =>
  tables.flatMap(({ name, columns }) => Object.keys(columns).map((column) => `${name}.${column}`)).toSorted()

describe('the schema', () => {
  test('every table has its entry in the data map', () => {
    expect(checkDataMap(tables)).toEqual([])
  })

  test('every table that is declared is in the list', () => {
    const folder = new URL('../../schema/tables/', import.meta.url)
    const source = readFileSync(new URL('index.ts', folder), 'utf8')
    for (const file of readdirSync(folder)) if (file !== 'index.ts') expect(source).toContain(`'./${file}'`)
    const listed = new Set(tables.map(({ name }) => name))
    const missing = allTables.map(({ name }) => name).filter((name) => !listed.has(name) && !name.startsWith('test_'))
    expect(missing).toEqual([])
    expect(listed.size).toBe(tables.length)
  })

  test('indexes have names of their own and columns that exist', () => {
    const names = tables.flatMap(({ indexes }) => indexes.map(({ name }) => name))
    expect(new Set(names).size).toBe(names.length)
    for (const { columns, indexes, primary } of tables) {
      for (const column of [...primary, ...indexes.flatMap(({ on }) => on)])
        expect(columns).toHaveProperty(column.replace(/ desc$/, ''))
    }
  })

  test('a fault of the data map is found', () => {
    const [first] = tables
    if (!first) throw new Error('no tables')
    const broken = {
      name: 'x',
      columns: { user_nid: { subject: 'user' } },
      map: { ...first.map, subject: [], erasure: 'keep' as const, purpose: ' ' },
    }
    delete (broken.map as { reason?: string }).reason
    expect(checkDataMap([broken, broken])).toEqual([
      'table x: purpose is empty',
      'table x: kept without a reason',
      'table x: user_nid is not in subject',
      'table x is declared twice',
      'table x: purpose is empty',
      'table x: kept without a reason',
      'table x: user_nid is not in subject',
    ])
  })
})

describe.each(engines)('migrations on %s', (engine: Engine) => {
  test('give the tables that are declared, column by column', async () => {
    await using place = await makePlace(engine)
    const database = await place.open({ migrations: listMigrations(engine) })
    const found = await database.read((conn) => listColumns(conn))
    expect(found.map(({ table_name, column_name }) => `${table_name}.${column_name}`).toSorted()).toEqual(declared())
  })

  test('are what the definitions say', () => {
    // while there is one migration, it is generated: npx tsc -p tsconfig.build.json && node dist/schema/generate.js
    const [first, ...rest] = listMigrations(engine)
    expect(rest).toEqual([])
    expect(first?.steps.join('')).toBe(renderSchema(engine, tables))
  })

  const runOn = (path: string, migrations: readonly Migration[], failpoint?: (place: string) => void) => {
    const options = { clock: systemClock, migrations, ...(failpoint ? { failpoint } : {}) }
    if (engine === 'postgres') return migrate(postgresMigrator(path), options)
    const conn = openSqliteConn(path, 'writer')
    return migrate(sqliteMigrator(conn), options).finally(() => conn.native.close())
  }

  test('killed at any statement, they go on where they were', async () => {
    const migrations: Migration[] = [
      {
        version: 1,
        name: 'a',
        steps: ['create table a (x integer);\ninsert into a values (1);', 'insert into a values (2);'],
      },
      {
        version: 2,
        name: 'b',
        steps: ['alter table a add column y integer;\nupdate a set y = x + 1;\ncreate index a_y on a (y);'],
      },
    ]
    const places: string[] = []
    {
      await using place = await makePlace(engine)
      await runOn(place.path, migrations, (at) => places.push(at))
    }
    expect(places).toHaveLength(12)
    for (const kill of places) {
      await using place = await makePlace(engine)
      const failure = runOn(place.path, migrations, (at) => {
        if (at === kill) throw new Error('killed')
      })
      await expect(failure).rejects.toThrow('killed')
      await runOn(place.path, migrations)
      const again: string[] = []
      await runOn(place.path, migrations, (at) => again.push(at))
      expect(again).toEqual([])
      if (engine === 'sqlite') {
        const conn = openSqliteConn(place.path, 'writer')
        expect(conn.native.prepare('select x, y from a order by x').raw().all()).toEqual([
          [1, 2],
          [2, 3],
        ])
        conn.native.close()
      }
    }
  }, 60_000)

  test('a program that is older than the schema refuses it', async () => {
    await using place = await makePlace(engine)
    await (await place.open()).close()
    await expect(place.open({ migrations: listMigrations(engine) })).rejects.toThrow('update it')
  })

  test('are not applied when that is not wanted', async () => {
    await using place = await makePlace(engine)
    await expect(place.open({ migrates: false })).rejects.toThrow('lethe migrate')
    await (await place.open()).close()
    await place.open({ migrates: false })
  })

  test('two processes at once apply them once', async () => {
    if (engine === 'sqlite') return expect(testMigrations(engine).length).toBeGreaterThan(1)
    await using place = await makePlace(engine)
    await Promise.all([place.open(), place.open(), place.open()])
  })
})

test('SQL is divided at the ends of statements', () => {
  expect(splitStatements("-- a; b\ncreate table a (x text default ';' );\n\ninsert into a values (1);\n")).toEqual([
    "create table a (x text default ';' )",
    'insert into a values (1)',
  ])
})
