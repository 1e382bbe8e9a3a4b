import { and, asc, eq, sql } from 'drizzle-orm'
import { afterAll, beforeAll, describe, expect, expectTypeOf, test } from 'vitest'
import type { Database } from '../../src/store/database.ts'
import { isUniqueViolation } from '../../src/store/errors.ts'
import { insertMany } from '../../src/store/insert-many.ts'
import { escapeLike, query, sqlQuery, sqlReturning, sqlRun } from '../../src/store/query.ts'
import { counts, engines, items, makePlace } from '../support/store.ts'
import type { Place } from '../support/store.ts'

const insertItem = query<{ name: string; note: string | null; flag: boolean; blob: Buffer | null }>('test.insertItem')(
  ({ db, t, p }) => db.insert(t(items)).values({ name: p.name, note: p.note, flag: p.flag, blob: p.blob }).returning(),
)
const findItem = query<{ name: string }>('test.findItem')(({ db, t, p }) =>
  db
    .select()
    .from(t(items))
    .where(eq(t(items).name, p.name)),
)
const listItems = query<{ nids: readonly number[] }>('test.listItems')(({ db, t, p, anyOf }) =>
  db
    .select({ name: t(items).name })
    .from(t(items))
    .where(anyOf(t(items).item_nid, p.nids))
    .orderBy(asc(t(items).name)),
)
const listByName = query<{ names: readonly string[]; most: number }>('test.listByName')(({ db, t, p, anyOf }) =>
  db
    .select({ name: t(items).name })
    .from(t(items))
    .where(anyOf(t(items).name, p.names))
    .orderBy(asc(t(items).name))
    .limit(p.most),
)
const listLike = query<{ pattern: string }>('test.listLike')(({ db, t, p, like }) =>
  db
    .select({ name: t(items).name })
    .from(t(items))
    .where(like(t(items).name, p.pattern))
    .orderBy(asc(t(items).name)),
)
const countItems = query('test.countItems')(({ db, t }) =>
  db.select({ count: sql<number>`count(*)`, total: sql<number>`sum(${t(items).amount})` }).from(t(items)),
)
const setFlag = query<{ name: string; flag: boolean }>('test.setFlag')(({ db, t, p }) =>
  db
    .update(t(items))
    .set({ flag: p.flag, amount: sql`${t(items).amount} + 1` })
    .where(eq(t(items).name, p.name)),
)
const putCount = query<{ nid: number; value: number }>('test.putCount')(({ db, t, p, excluded }) =>
  db
    .insert(t(counts))
    .values({ count_nid: p.nid, value: p.value })
    .onConflictDoUpdate({
      target: t(counts).count_nid,
      set: { value: sql`${t(counts).value} + ${excluded(t(counts).value)}` },
    })
    .returning({ value: t(counts).value }),
)
const deleteItem = query<{ name: string; flag: boolean }>('test.deleteItem')(({ db, t, p }) =>
  db.delete(t(items)).where(and(eq(t(items).name, p.name), eq(t(items).flag, p.flag))),
)
const joinCounts = query<{ name: string }>('test.joinCounts')(({ db, t, p }) =>
  db
    .select({ item: { name: t(items).name, flag: t(items).flag }, count: { value: t(counts).value } })
    .from(t(items))
    .leftJoin(t(counts), eq(t(counts).count_nid, t(items).item_nid))
    .where(eq(t(items).name, p.name)),
)
const rawItems = sqlQuery<
  { names: readonly string[] },
  { name: string; flag: boolean; note: string | null; n: number }
>(
  'test.rawItems',
  ({ list }) =>
    `select name, flag, note, count(*) over () as n from test_items where name in ${list('names', 'text')} and ':x' <> "name" order by name`,
  { bools: ['flag'] },
)
const rawRename = sqlRun<{ from: string; to: string }>(
  'test.rawRename',
  'update test_items set name = :to where name = :from',
)
const rawDelete = sqlReturning<{ name: string }, { note: string | null }>(
  'test.rawDelete',
  'delete from test_items where name = :name returning note',
)
const insertItems = insertMany('test.insertItems', items, ['name', 'note', 'amount', 'flag', 'data', 'blob'], {
  onConflict: 'nothing',
  returning: ['item_nid', 'name', 'flag'],
})
const putItems = insertMany('test.putItems', items, ['name', 'amount'], {
  onConflict: { key: ['name'], update: ['amount'] },
})

describe.each(engines)('statements on %s', (engine) => {
  let place: Place
  let database: Database
  beforeAll(async () => {
    place = await makePlace(engine)
    database = await place.open()
  })
  afterAll(() => place[Symbol.asyncDispose]())

  const insert = (name: string, rest: { note?: string | null; flag?: boolean; blob?: Buffer | null } = {}) =>
    database.write((tx) => insertItem(tx, { name, note: null, flag: false, blob: null, ...rest }))

  test('every kind of column comes back as it was', async () => {
    const [made] = await insert('kinds', { note: 'x', flag: true, blob: Buffer.from([0, 255, 10]) })
    expect(made).toEqual({
      item_nid: expect.any(Number) as number,
      name: 'kinds',
      note: 'x',
      amount: 0,
      flag: true,
      data: null,
      blob: Buffer.from([0, 255, 10]),
    })
    expect(await database.read((conn) => findItem(conn, { name: 'kinds' }))).toEqual([made])
    expectTypeOf<NonNullable<typeof made>['flag']>().toEqualTypeOf<boolean>()
    expect(await database.read((conn) => findItem.first(conn, { name: 'nobody' }))).toBeUndefined()
  })

  test('U+0000, lone surrogates, and the character that escapes them', async () => {
    for (const name of ['a\0b', '\uD800', 'x\uDC00\uD800y', '\uFFFF', '\uFFFF0000', '😀\uFFFE', '\0']) {
      await insert(name, { note: name })
      expect(await database.read((conn) => findItem.first(conn, { name }))).toMatchObject({ name, note: name })
      expect(await database.read((conn) => listByName(conn, { names: [name], most: 5 }))).toEqual([{ name }])
      expect(await database.read((conn) => rawItems(conn, { names: [name] }))).toMatchObject([{ name, note: name }])
      await database.write((tx) => rawDelete(tx, { name }))
      await database.write((tx) =>
        insertItems(tx, [{ name, note: name, amount: 1, flag: true, data: JSON.stringify({ name }), blob: null }]),
      )
      expect(await database.read((conn) => findItem.first(conn, { name }))).toMatchObject({
        name,
        note: name,
        data: JSON.stringify({ name }),
      })
    }
  })

  test('text is ordered by code point', async () => {
    const names = ['o:Z', 'o:a', 'o:É', 'o:b', 'o:z', 'o:B', 'o:1']
    for (const name of names) await insert(name)
    const rows = await database.read((conn) => listByName(conn, { names, most: 100 }))
    expect(rows.map(({ name }) => name)).toEqual(
      names.toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b))),
    )
  })

  test('LIKE is case-sensitive, and escaped', async () => {
    for (const name of ['like%A', 'like%a', 'likexa', 'like\\a']) await insert(name)
    const names = async (pattern: string) =>
      (await database.read((conn) => listLike(conn, { pattern }))).map(({ name }) => name)
    expect(await names(`${escapeLike('like%')}%`)).toEqual(['like%A', 'like%a'])
    expect(await names('like_a')).toEqual(['like%a', 'like\\a', 'likexa'])
    expect(await names(escapeLike('like\\a'))).toEqual(['like\\a'])
  })

  test('counts and sums are numbers', async () => {
    await insert('counted')
    const row = await database.read((conn) => countItems.first(conn))
    expect(row?.count).toBeTypeOf('number')
    expect(row?.total).toBeTypeOf('number')
  })

  test('a change gives the number of rows', async () => {
    await insert('flagged')
    expect(await database.write((tx) => setFlag(tx, { name: 'flagged', flag: true }))).toBe(1)
    expect(await database.write((tx) => setFlag(tx, { name: 'nobody', flag: true }))).toBe(0)
    expect(await database.read((conn) => findItem.first(conn, { name: 'flagged' }))).toMatchObject({
      flag: true,
      amount: 1,
    })
    expect(await database.write((tx) => deleteItem(tx, { name: 'flagged', flag: false }))).toBe(0)
    expect(await database.write((tx) => deleteItem(tx, { name: 'flagged', flag: true }))).toBe(1)
  })

  test('upserts', async () => {
    expect(await database.write((tx) => putCount(tx, { nid: 2 ** 40, value: 3 }))).toEqual([{ value: 3 }])
    expect(await database.write((tx) => putCount(tx, { nid: 2 ** 40, value: 4 }))).toEqual([{ value: 7 }])
  })

  test('the largest integers are exact, others are refused', async () => {
    const value = Number.MAX_SAFE_INTEGER
    expect(await database.write((tx) => putCount(tx, { nid: -value, value }))).toEqual([{ value }])
    await expect(database.write((tx) => putCount(tx, { nid: 1, value: 1.5 }))).rejects.toThrow(TypeError)
    await expect(database.write((tx) => putCount(tx, { nid: 1, value: 2 ** 53 }))).rejects.toThrow(TypeError)
  })

  test('a join without a partner gives null', async () => {
    const [made] = await insert('joined', { flag: true })
    expect(await database.read((conn) => joinCounts.first(conn, { name: 'joined' }))).toEqual({
      item: { name: 'joined', flag: true },
      count: null,
    })
    await database.write((tx) => putCount(tx, { nid: made?.item_nid ?? 0, value: 5 }))
    expect(await database.read((conn) => joinCounts.first(conn, { name: 'joined' }))).toMatchObject({
      count: { value: 5 },
    })
  })

  test('id lists of any length are one parameter', async () => {
    const made = []
    for (let i = 0; i < 3; i++) made.push((await insert(`list${i}`))[0]?.item_nid ?? 0)
    const nids = [...made, ...Array.from({ length: 40_000 }, (_, i) => -i)]
    expect(await database.read((conn) => listItems(conn, { nids }))).toEqual([
      { name: 'list0' },
      { name: 'list1' },
      { name: 'list2' },
    ])
    expect(await database.read((conn) => listItems(conn, { nids: [] }))).toEqual([])
  })

  test('raw SQL maps booleans and leaves quoted colons alone', async () => {
    await insert('raw1', { flag: true })
    await insert('raw2')
    const rows = await database.read((conn) => rawItems(conn, { names: ['raw1', 'raw2'] }))
    expect(rows).toEqual([
      { name: 'raw1', flag: true, note: null, n: 2 },
      { name: 'raw2', flag: false, note: null, n: 2 },
    ])
    expect(await database.write((tx) => rawRename(tx, { from: 'raw2', to: 'raw3' }))).toBe(1)
    expect(await database.write((tx) => rawDelete(tx, { name: 'raw3' }))).toEqual([{ note: null }])
  })

  test('many rows by one statement', async () => {
    const rows = Array.from({ length: 1_000 }, (_, i) => ({
      name: `many${i % 999}`,
      note: i % 2 ? null : 'n"\'\\',
      amount: i,
      flag: i % 3 === 0,
      data: '{"a":1.0}',
      blob: i % 5 ? null : Buffer.from([i & 255, 0]),
    }))
    const made = await database.write((tx) => insertItems(tx, rows))
    expect(made).toHaveLength(999)
    expect(await database.read((conn) => findItem.first(conn, { name: 'many10' }))).toMatchObject({
      note: 'n"\'\\',
      amount: 10,
      flag: false,
      data: '{"a":1.0}',
      blob: Buffer.from([10, 0]),
    })
    const flags = new Map(made.map(({ name, flag }) => [name, flag]))
    expect([flags.get('many3'), flags.get('many4')]).toEqual([true, false])
    expect(await database.write((tx) => insertItems(tx, []))).toEqual([])
  })

  test('the same key twice in one upsert: the last row counts', async () => {
    await database.write((tx) =>
      putItems(tx, [
        { name: 'twice', amount: 1 },
        { name: 'other', amount: 9 },
        { name: 'twice', amount: 2 },
      ]),
    )
    expect(await database.read((conn) => findItem.first(conn, { name: 'twice' }))).toMatchObject({ amount: 2 })
  })

  test('a key that exists is told the same way', async () => {
    await insert('unique')
    const error = await insert('unique').catch((reason: unknown) => reason)
    expect(isUniqueViolation(error)).toBe(true)
    expect(String(error)).not.toContain("'unique'")
  })

  test('a reader cannot write', async () => {
    await expect(database.read((conn) => rawRename(conn as never, { from: 'a', to: 'b' }))).rejects.toThrow()
    await expect(database.snapshot((conn) => rawRename(conn as never, { from: 'a', to: 'b' }))).rejects.toThrow()
  })

  test('a missing value is an error, not null', async () => {
    await expect(database.read((conn) => findItem(conn, {} as never))).rejects.toThrow('no value for name')
  })

  test('ids of deleted rows do not come back', async () => {
    const [first] = await insert('gone')
    await database.write((tx) => rawDelete(tx, { name: 'gone' }))
    const [second] = await insert('gone')
    expect(second?.item_nid).toBeGreaterThan(first?.item_nid ?? 0)
  })

  test('a snapshot sees one state, a read the newest', async () => {
    await insert('snap')
    await database.snapshot(async (conn) => {
      expect(await findItem.first(conn, { name: 'snap' })).toMatchObject({ amount: 0 })
      await database.write((tx) => setFlag(tx, { name: 'snap', flag: true }))
      expect(await findItem.first(conn, { name: 'snap' })).toMatchObject({ amount: 0 })
    })
    expect(await database.read((conn) => findItem.first(conn, { name: 'snap' }))).toMatchObject({ amount: 1 })
  })
})
