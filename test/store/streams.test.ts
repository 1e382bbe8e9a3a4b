import { asc, eq } from 'drizzle-orm'
import { describe, expect, test } from 'vitest'
import type { Database } from '../../src/store/database.ts'
import { query } from '../../src/store/query.ts'
import { changes, counts, engines, makePlace } from '../support/store.ts'

const insertChange = query<{ writer: number; position: number; what: string }>('st.insertChange')(({ db, t, p }) =>
  db.insert(t(changes)).values({ writer_nid: p.writer, position: p.position, what: p.what }),
)
const listChanges = query('st.listChanges')(({ db, t }) =>
  db
    .select()
    .from(t(changes))
    .orderBy(asc(t(changes).writer_nid), asc(t(changes).position)),
)
const getCount = query<{ nid: number }>('st.getCount')(({ db, t, p }) =>
  db
    .select({ value: t(counts).value })
    .from(t(counts))
    .where(eq(t(counts).count_nid, p.nid)),
)
const setCount = query<{ nid: number; value: number }>('st.setCount')(({ db, t, p }) =>
  db
    .update(t(counts))
    .set({ value: p.value })
    .where(eq(t(counts).count_nid, p.nid)),
)
const touch = query<{ nid: number }>('st.touch')(({ db, t, p }) =>
  db.insert(t(counts)).values({ count_nid: p.nid, value: 1 }).onConflictDoNothing(),
)

const change = (database: Database, what: string) =>
  database.write((tx) => insertChange(tx, { writer: tx.writerNid, position: tx.nextPosition(), what }))

/** A reader as sync is one: takes each change once, never passing what its vector says. */
class Reader {
  readonly #database: Database
  readonly #at = new Map<number, number>()
  readonly got: string[] = []
  constructor(database: Database) {
    this.#database = database
  }
  async poll(): Promise<void> {
    await this.#database.snapshot(async (conn) => {
      const vector = await this.#database.streamVector(conn)
      for (const { writer_nid, position, what } of await listChanges(conn)) {
        const isNew = position > (this.#at.get(writer_nid) ?? 0) && position <= (vector.get(writer_nid) ?? 0)
        if (isNew) this.got.push(what)
      }
      for (const [writer, position] of vector) this.#at.set(writer, position)
    })
  }
}

describe.each(engines)('streams on %s', (engine) => {
  test('a reader that follows the vector gets every change once', async () => {
    await using place = await makePlace(engine)
    const databases = [await place.open()]
    if (engine === 'postgres') databases.push(await place.open(), await place.open())
    const reader = new Reader(databases[0] as Database)
    let isWriting = true
    const polling = (async () => {
      while (isWriting) {
        await reader.poll()
        await new Promise((resolve) => setImmediate(resolve))
      }
    })()
    const expected: string[] = []
    const writing = databases.flatMap((database, d) =>
      Array.from({ length: 20 }, async (_, w) => {
        for (let i = 0; i < 10; i++) {
          expected.push(`${d}.${w}.${i}`)
          await change(database, `${d}.${w}.${i}`)
        }
      }),
    )
    await Promise.all(writing)
    isWriting = false
    await polling
    await reader.poll()
    expect(reader.got.toSorted()).toEqual(expected.toSorted())
  })
})

describe.skipIf(!engines.includes('postgres'))('streams between processes', () => {
  test('a stalled commit loses nothing', async () => {
    await using place = await makePlace('postgres')
    let release = () => {}
    let isStalled = false
    const gate = new Promise<void>((resolve) => (release = resolve))
    let stalls = false
    const slow = await place.open({
      aroundCommit: async (commit) => {
        if (stalls) {
          isStalled = true
          await gate
        }
        await commit()
      },
    })
    const fast = await place.open()
    expect(slow.writerNid).not.toBe(fast.writerNid)
    const reader = new Reader(fast)
    await change(slow, 'slow 1')
    await change(fast, 'fast 1')
    stalls = true
    const stalled = change(slow, 'slow 2')
    await expect.poll(() => isStalled).toBe(true)
    await change(fast, 'fast 2')
    await change(fast, 'fast 3')
    await reader.poll()
    expect(reader.got.toSorted()).toEqual(['fast 1', 'fast 2', 'fast 3', 'slow 1'])
    release()
    await stalled
    await reader.poll()
    expect(reader.got.at(-1)).toBe('slow 2')
    expect(reader.got).toHaveLength(5)
  })

  test('without a lock, a read and a write of two processes lose an update', async () => {
    await using place = await makePlace('postgres')
    let release = () => {}
    const gate = new Promise<void>((resolve) => (release = resolve))
    let stalls = false
    const a = await place.open({ aroundCommit: (commit) => (stalls ? gate.then(commit) : commit()) })
    const b = await place.open()
    await a.write((tx) => touch(tx, { nid: 5 }))
    const increment = (database: Database, locks: boolean, hasRead = () => {}) =>
      database.write(
        async (tx) => {
          const value = (await getCount.first(tx, { nid: 5 }))?.value ?? 0
          hasRead()
          await setCount(tx, { nid: 5, value: value + 1 })
        },
        locks ? { locks: [{ table: 'test_counts', column: 'count_nid', nid: 5 }] } : {},
      )
    const both = async (locks: boolean) => {
      stalls = true
      const read = new Promise<void>((resolve) => {
        void increment(a, locks, resolve).then(() => (stalls = false))
      })
      await read
      const second = increment(b, locks, release)
      // with the lock, b reads only after a has committed
      if (locks) setImmediate(release)
      await second
      return (await b.read((conn) => getCount.first(conn, { nid: 5 })))?.value
    }
    expect(await both(false)).toBe(2)
    await a.write(() => Promise.resolve())
    expect(await both(true)).toBe(4)
  })

  test('other processes hear of a commit, soon', async () => {
    await using place = await makePlace('postgres')
    const [a, b] = [await place.open(), await place.open()]
    const heard: [number, number][] = []
    b.onCommitted((writer, position) => heard.push([writer, position]))
    await change(a, 'x')
    await expect.poll(() => heard, { timeout: 3_000 }).toEqual([[a.writerNid, 1]])
  })

  test('a commit whose answer was cut off is found out', async () => {
    await using place = await makePlace('postgres')
    let cut: 'before' | 'after' | undefined
    const lost = () => Object.assign(new Error('Connection terminated unexpectedly'), { code: 'ECONNRESET' })
    const database = await place.open({
      aroundCommit: async (commit) => {
        const when = cut
        cut = undefined
        if (when === 'before') throw lost()
        await commit()
        if (when === 'after') throw lost()
      },
    })
    cut = 'after'
    await change(database, 'committed')
    cut = 'before'
    await change(database, 'not committed, tried again')
    const rows = await database.read((conn) => listChanges(conn))
    expect(rows.map(({ what }) => what)).toEqual(['committed', 'not committed, tried again'])
    // also that of a write which moves no position: nothing else tells whether it was committed
    cut = 'before'
    await database.write((tx) => touch(tx, { nid: 9 }))
    expect((await database.read((conn) => getCount.first(conn, { nid: 9 })))?.value).toBe(1)
  })

  test('two batches that lock the same rows in opposite order both succeed', async () => {
    await using place = await makePlace('postgres')
    const [a, b] = [await place.open(), await place.open()]
    await a.write((tx) => touch(tx, { nid: 1 }))
    await a.write((tx) => touch(tx, { nid: 2 }))
    const lock = (nid: number) => ({ table: 'test_counts', column: 'count_nid', nid })
    const rounds = Array.from({ length: 40 }, (_, i) =>
      Promise.all([
        a.write(() => Promise.resolve(), { locks: i % 2 ? [lock(1), lock(2)] : [lock(2), lock(1)] }),
        b.write(() => Promise.resolve(), { locks: i % 2 ? [lock(2), lock(1)] : [lock(1), lock(2)] }),
      ]),
    )
    await Promise.all(rounds)
  })

  test('a writer whose lease was taken takes another and goes on', async () => {
    await using place = await makePlace('postgres')
    const database = await place.open()
    await change(database, 'a')
    const before = database.writerNid
    await using thief = await steal(place.path, before)
    await change(database, 'b')
    expect(database.writerNid).not.toBe(before)
    expect(await database.read((conn) => listChanges(conn))).toHaveLength(2)
    expect(thief).toBeDefined()
  })
})

/** Takes the row of a writer, as a process does when a lease has run out. */
async function steal(url: string, nid: number) {
  const { default: pg } = await import('pg')
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  await client.query('update writers set fence = fence + 1, lease_until_ts = 9000000000000 where writer_nid = $1', [
    nid,
  ])
  return { [Symbol.asyncDispose]: () => client.end() }
}
