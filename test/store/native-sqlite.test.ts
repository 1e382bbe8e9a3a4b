import { readFileSync, readdirSync } from 'node:fs'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import Sqlite from 'better-sqlite3'
import { describe, expect, onTestFinished, test } from 'vitest'
import { query } from '../../src/store/query.ts'
import { items, makePlace } from '../support/store.ts'

const insertItem = query<{ name: string }>('n.insertItem')(({ db, t, p }) =>
  db.insert(t(items)).values({ name: p.name }),
)
const countItems = query('n.countItems')(({ db, t }) => db.select({ name: t(items).name }).from(t(items)))

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void
const nextTurn = () => new Promise((resolve) => setImmediate(resolve))

interface Made {
  readonly what: string
  readonly ref: WeakRef<object>
}

/** Weak references to every native object that the driver makes until `end` is called, by what made it. */
function watch(): { readonly made: readonly Made[]; readonly end: () => void } {
  const made: Made[] = []
  const driver = Sqlite.prototype
  const { prepare, exec, pragma, transaction, backup } = driver
  const refuse = () => {
    throw new Error('this makes native objects that nobody can keep')
  }
  // no mocks: they keep what they see
  Object.assign(driver, {
    prepare(this: Sqlite.Database, sql: string) {
      const statement = prepare.call(this, sql)
      made.push({ what: sql, ref: new WeakRef(statement) })
      return statement
    },
    exec(this: Sqlite.Database, sql: string) {
      made.push({ what: `connection: ${sql}`, ref: new WeakRef(this) })
      return exec.call(this, sql)
    },
    pragma: refuse,
    transaction: refuse,
    backup: refuse,
  })
  return { made, end: () => void Object.assign(driver, { prepare, exec, pragma, transaction, backup }) }
}

/** Opens a database, writes, reads in many snapshots at once, and closes it: nothing of it is left to the caller. */
async function useAndForget(): Promise<void> {
  await using place = await makePlace('sqlite')
  const database = await place.open()
  await Promise.all(['a', 'b'].map((name) => database.write((tx) => insertItem(tx, { name }))))
  const snapshots = Array.from({ length: 12 }, () =>
    database.snapshot(async (conn) => {
      await nextTurn()
      return countItems(conn)
    }),
  )
  for (const rows of await Promise.all(snapshots)) expect(rows).toHaveLength(2)
  await database.close()
}

describe('the driver of SQLite ends the process where something native is collected', () => {
  test('so connections and statements stay after a database is closed and forgotten', async () => {
    const { made, end } = watch()
    onTestFinished(end)
    await useAndForget()
    const plain = Array.from({ length: 50 }, () => new WeakRef({ name: 'plain' }))
    for (let i = 0; i < 3; i++) {
      await nextTurn()
      collect()
    }
    expect(plain.some((ref) => ref.deref() === undefined)).toBe(true)
    expect(made.length).toBeGreaterThan(40)
    expect(made.filter(({ ref }) => ref.deref() === undefined).map(({ what }) => what)).toEqual([])
  })

  test('and connections of snapshots are used again, however many there were at one time', async () => {
    await using place = await makePlace('sqlite')
    const database = await place.open()
    const { made, end } = watch()
    onTestFinished(end)
    const burst = () =>
      Promise.all(
        Array.from({ length: 20 }, () => database.snapshot(async (conn) => nextTurn().then(() => countItems(conn)))),
      )
    for (let i = 0; i < 5; i++) await burst()
    expect(made.filter(({ what }) => what.includes('query_only'))).toHaveLength(20)
  })

  test('and only two files import it: the adapter and the thread that checkpoints', () => {
    const importers = ['src', 'schema', 'scripts', 'test'].flatMap((folder) =>
      readdirSync(folder, { recursive: true, encoding: 'utf8' })
        .filter((name) => /\.(?:ts|mjs|js)$/.test(name) && !name.includes('node_modules'))
        .map((name) => `${folder}/${name}`)
        .filter((path) => /(?:from|import\(?) '(?:better-sqlite3)'/.test(readFileSync(path, 'utf8'))),
    )
    expect(importers.toSorted()).toEqual([
      'src/store/checkpoint.mjs',
      'src/store/native-sqlite.ts',
      // one that holds the file in a process of its own
      'test/store/durability.test.ts',
      'test/store/native-sqlite.test.ts',
      'test/support/power-cut/no-sync.mjs',
    ])
  })
})
