import { eq, sql } from 'drizzle-orm'
import { describe, expect, test } from 'vitest'
import type { Database, Tx } from '../../src/store/database.ts'
import { Stale, isUniqueViolation } from '../../src/store/errors.ts'
import { query } from '../../src/store/query.ts'
import { withRetries } from '../../src/store/retries.ts'
import { counts, engines, items, makePlace } from '../support/store.ts'

const insertItem = query<{ name: string }>('w.insertItem')(({ db, t, p }) =>
  db.insert(t(items)).values({ name: p.name }),
)
const listNames = query('w.listNames')(({ db, t }) =>
  db
    .select({ name: t(items).name })
    .from(t(items))
    .orderBy(t(items).name),
)
const getCount = query<{ nid: number }>('w.getCount')(({ db, t, p }) =>
  db
    .select({ value: t(counts).value })
    .from(t(counts))
    .where(eq(t(counts).count_nid, p.nid)),
)
const setCount = query<{ nid: number; value: number }>('w.setCount')(({ db, t, p, excluded }) =>
  db
    .insert(t(counts))
    .values({ count_nid: p.nid, value: p.value })
    .onConflictDoUpdate({
      target: t(counts).count_nid,
      set: { value: excluded(t(counts).value) },
    }),
)
const addToCount = query<{ nid: number }>('w.addToCount')(({ db, t, p }) =>
  db
    .update(t(counts))
    .set({ value: sql`${t(counts).value} + 1` })
    .where(eq(t(counts).count_nid, p.nid)),
)
const names = async (database: Database) => (await database.read((conn) => listNames(conn))).map(({ name }) => name)

describe.each(engines)('writes on %s', (engine) => {
  test('what arrives in one tick is one transaction: one failing write does not hurt its neighbours', async () => {
    await using place = await makePlace(engine)
    const database = await place.open()
    const insert = (name: string) => database.write((tx) => insertItem(tx, { name }))
    const results = await Promise.allSettled([
      insert('a'),
      insert('b'),
      insert('a'),
      database.write(async (tx) => {
        await insertItem(tx, { name: 'never' })
        throw new Error('refused')
      }),
      insert('c'),
    ])
    expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled', 'rejected', 'rejected', 'fulfilled'])
    expect(isUniqueViolation((results[2] as PromiseRejectedResult).reason)).toBe(true)
    expect(await names(database)).toEqual(['a', 'b', 'c'])
  })

  test('a failed statement fails its write, also when the function swallows the error', async () => {
    await using place = await makePlace(engine)
    const database = await place.open()
    await database.write((tx) => insertItem(tx, { name: 'a' }))
    const swallow = (also?: Promise<unknown>) =>
      database.write(async (tx) => {
        await insertItem(tx, { name: 'b' })
        await insertItem(tx, { name: 'a' }).catch(() => 0)
        await also
      })
    await expect(swallow()).rejects.toThrow('exists')
    await expect(Promise.all([swallow(), database.write((tx) => insertItem(tx, { name: 'c' }))])).rejects.toThrow(
      'exists',
    )
    expect(await names(database)).toEqual(['a', 'c'])
  })

  test('nothing can be written through a write that is over', async () => {
    await using place = await makePlace(engine)
    const database = await place.open()
    let kept: Tx | undefined
    await database.write(async (tx) => void (kept = tx))
    await expect(insertItem(kept as Tx, { name: 'late' })).rejects.toThrow('over')
    expect(await names(database)).toEqual([])
  })

  test('effects: memory after COMMIT, the rest after the sync, none of a failed write', async () => {
    await using place = await makePlace(engine)
    const database = await place.open()
    const log: string[] = []
    const write = (name: string, fails = false) =>
      database
        .write(async (tx) => {
          tx.onCommit(() => log.push(`memory ${name}`))
          tx.afterCommit(() => log.push(`effect ${name}`))
          await insertItem(tx, { name })
          if (fails) throw new Error('no')
        })
        .catch(() => log.push(`failed ${name}`))
    await Promise.all([write('a'), write('b', true), write('c')])
    // on a busy machine the last of them may come into a second transaction
    expect(log.toSorted()).toEqual(['effect a', 'effect c', 'failed b', 'memory a', 'memory c'])
    for (const name of ['a', 'c']) expect(log.indexOf(`memory ${name}`)).toBeLessThan(log.indexOf(`effect ${name}`))
  })

  test('positions grow, and are not used up by a failed write', async () => {
    await using place = await makePlace(engine)
    const database = await place.open()
    const seen: number[] = []
    database.onCommitted((_, position) => seen.push(position))
    const take = (fails: boolean) =>
      database.write(async (tx) => {
        const position = tx.nextPosition()
        if (fails) throw new Error('no')
        return position
      })
    const results = await Promise.allSettled([take(false), take(true), take(false), take(false)])
    expect(results.map((result) => (result.status === 'fulfilled' ? result.value : undefined))).toEqual([
      1,
      undefined,
      2,
      3,
    ])
    expect(seen.at(-1)).toBe(3)
    const vector = await database.read((conn) => database.streamVector(conn))
    expect(vector.get(database.writerNid)).toBe(3)
    await database.close()
    const again = await place.open()
    expect(await again.write(async (tx) => tx.nextPosition())).toBe(4)
  })

  test('a batch of many writes gives turns to the event loop', async () => {
    await using place = await makePlace(engine)
    const database = await place.open()
    let turns = 0
    const tick = setInterval(() => turns++, 1)
    await Promise.all(
      Array.from({ length: 3_000 }, (_, i) => database.write((tx) => insertItem(tx, { name: `n${i}` }))),
    )
    clearInterval(tick)
    expect(turns).toBeGreaterThan(3)
    expect(await names(database)).toHaveLength(3_000)
  })

  test('50 concurrent increments that read and write give 50', async () => {
    await using place = await makePlace(engine)
    const first = await place.open()
    // on PostgreSQL from two processes
    const databases = [first, engine === 'postgres' ? await place.open() : first]
    await first.write((tx) => setCount(tx, { nid: 7, value: 0 }))
    const lock = { table: 'test_counts', column: 'count_nid', nid: 7 }
    const increment = (database: Database, locks: boolean) =>
      database.write(
        async (tx) => {
          const row = await getCount.first(tx, { nid: 7 })
          await setCount(tx, { nid: 7, value: (row?.value ?? 0) + 1 })
        },
        locks ? { locks: [lock] } : {},
      )
    const run = async (locks: boolean) => {
      const rounds = Array.from({ length: 50 }, (_, i) => increment(databases[i % 2] as Database, locks))
      await Promise.all(rounds)
      return (await first.read((conn) => getCount.first(conn, { nid: 7 })))?.value
    }
    expect(await run(true)).toBe(50)
  })

  test('Stale runs plan, fetch and judge again, five times at most', async () => {
    let runs = 0
    const stale = () => Promise.reject(new Stale())
    expect(await withRetries(5, () => (++runs < 5 ? stale() : Promise.resolve('done')))).toBe('done')
    runs = 0
    await expect(withRetries(5, () => (runs++, stale()))).rejects.toThrow(Stale)
    expect(runs).toBe(5)
  })

  test('close finishes what was begun and refuses the rest', async () => {
    await using place = await makePlace(engine)
    const database = await place.open()
    const written = database.write((tx) => insertItem(tx, { name: 'last' }))
    const closed = database.close()
    await expect(database.write((tx) => insertItem(tx, { name: 'late' }))).rejects.toMatchObject({ status: 503 })
    await Promise.all([written, closed])
    expect(await names(await place.open())).toEqual(['last'])
  })

  test('a rewrite leaves no deleted text in the files', async () => {
    await using place = await makePlace(engine)
    const database = await place.open()
    const adds = Array.from({ length: 200 }, (_, i) =>
      database.write((tx) => insertItem(tx, { name: `secret-word-${i}` })),
    )
    await Promise.all(adds)
    await database.write((tx) => clear(tx))
    const writing = Promise.all(
      Array.from({ length: 20 }, (_, i) => database.write((tx) => insertItem(tx, { name: `kept-${i}` }))),
    )
    await Promise.all([database.rewrite(), writing])
    expect(await names(database)).toHaveLength(20)
    if (engine === 'sqlite') {
      const { readFileSync } = await import('node:fs')
      await database.close()
      expect(readFileSync(place.path).includes('secret-word')).toBe(false)
    }
  }, 60_000)

  test('increments within the statement need no lock', async () => {
    await using place = await makePlace(engine)
    const database = await place.open()
    await database.write((tx) => setCount(tx, { nid: 1, value: 0 }))
    await Promise.all(Array.from({ length: 30 }, () => database.write((tx) => addToCount(tx, { nid: 1 }))))
    expect(await database.read((conn) => getCount.first(conn, { nid: 1 }))).toEqual({ value: 30 })
  })
})

const clear = query('w.clear')(({ db, t }) => db.delete(t(items)))
