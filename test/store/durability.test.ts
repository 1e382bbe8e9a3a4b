import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { statSync } from 'node:fs'
import { eq } from 'drizzle-orm'
import { describe, expect, test } from 'vitest'
import { Durability } from '../../src/store/durability.ts'
import { NativeDatabase } from '../../src/store/native-sqlite.ts'
import { query, sqlReturning } from '../../src/store/query.ts'
import { openLogSync } from '../../src/store/sqlite-threads.ts'
import type { LogSync, Synced } from '../../src/store/sqlite-threads.ts'
import { items, makePlace } from '../support/store.ts'

const insertItem = query<{ name: string }>('d.insertItem')(({ db, t, p }) =>
  db.insert(t(items)).values({ name: p.name }),
)
const findItem = query<{ name: string }>('d.findItem')(({ db, t, p }) =>
  db
    .select({ name: t(items).name })
    .from(t(items))
    .where(eq(t(items).name, p.name)),
)

/** Syncs that end when the test says so. */
class ScriptedSync implements LogSync {
  readonly begun: { end: () => void; fail: (error: Error) => void }[] = []
  sync(): Promise<Synced> {
    return new Promise((resolve, reject) => this.begun.push({ end: () => resolve({ bytes: 0 }), fail: reject }))
  }
  close = () => Promise.resolve()
}

const turns = async (count = 5) => {
  for (let i = 0; i < count; i++) await new Promise((resolve) => setImmediate(resolve))
}

describe('durability', () => {
  test('a commit is durable only by a sync that began after it', async () => {
    const log = new ScriptedSync()
    const durability = new Durability({ log, waits: true, onFatal: (error) => expect.fail(error.message) })
    const done: string[] = []
    void durability.durable(durability.committed()).then(() => done.push('a'))
    expect(log.begun).toHaveLength(1)
    void durability.durable(durability.committed()).then(() => done.push('b'))
    void durability.durable(durability.committed()).then(() => done.push('c'))
    log.begun[0]?.end()
    await turns()
    expect(done).toEqual(['a'])
    expect(log.begun).toHaveLength(2)
    log.begun[1]?.end()
    await turns()
    expect(done).toEqual(['a', 'b', 'c'])
    expect(log.begun).toHaveLength(2)
    await durability.durable()
  })

  test('a failed sync releases nobody and ends the process', async () => {
    const log = new ScriptedSync()
    const fatal: Error[] = []
    const durability = new Durability({ log, waits: true, onFatal: (error) => fatal.push(error) })
    const done: string[] = []
    void durability.durable(durability.committed()).then(() => done.push('a'))
    log.begun[0]?.fail(new Error('EIO'))
    await turns()
    void durability.durable(durability.committed()).then(() => done.push('b'))
    await turns()
    expect(fatal).toHaveLength(1)
    expect(done).toEqual([])
    expect(log.begun).toHaveLength(1)
  })

  test('no answer, no effect, no stream position before the sync; reads see the row and can wait', async () => {
    await using place = await makePlace('sqlite')
    const log = new ScriptedSync()
    const opening = place.open({ logSync: log })
    await expect.poll(() => log.begun.length).toBe(1)
    log.begun[0]?.end()
    const database = await opening
    const events: string[] = []
    database.onCommitted((_, position) => events.push(`position ${position}`))
    const write = (name: string) =>
      database
        .write(async (tx) => {
          tx.nextPosition()
          tx.onCommit(() => events.push(`memory ${name}`))
          tx.afterCommit(() => events.push(`effect ${name}`))
          await insertItem(tx, { name })
        })
        .then(() => events.push(`answer ${name}`))
    const a = write('a')
    await expect.poll(() => events).toEqual(['memory a'])
    expect(log.begun).toHaveLength(2)
    const b = write('b')
    await expect.poll(() => events).toEqual(['memory a', 'memory b'])
    expect(await database.read((conn) => findItem.first(conn, { name: 'a' }))).toEqual({ name: 'a' })
    const position = async () => (await database.read((conn) => database.streamVector(conn))).get(1)
    expect(await position()).toBe(0)
    // who read up to what is on disk has not read what is committed
    expect(database.isAt(new Map([[1, 0]]))).toBe(false)
    expect(database.isAt(new Map([[1, 2]]))).toBe(true)
    void database.durable().then(() => events.push('reader'))
    log.begun[1]?.end()
    await a
    expect(await position()).toBe(1)
    expect(events).not.toContain('reader')
    expect(events).not.toContain('answer b')
    await expect.poll(() => log.begun.length).toBe(3)
    log.begun[2]?.end()
    await b
    await turns()
    expect(await position()).toBe(2)
    expect(events).toContain('reader')
    expect(events.filter((event) => event.startsWith('position'))).toEqual(['position 1', 'position 2'])
    expect(events.indexOf('effect b')).toBeGreaterThan(events.indexOf('effect a'))
    setImmediate(() => log.begun.at(-1)?.end())
  })

  test('a refusal waits too: it may rest on a row that is not durable yet', async () => {
    await using place = await makePlace('sqlite')
    const log = new ScriptedSync()
    const opening = place.open({ logSync: log })
    await expect.poll(() => log.begun.length).toBe(1)
    log.begun[0]?.end()
    const database = await opening
    const settled: string[] = []
    const first = database.write((tx) => insertItem(tx, { name: 'x' })).finally(() => settled.push('first'))
    const second = database.write((tx) => insertItem(tx, { name: 'x' })).catch(() => settled.push('second'))
    await expect.poll(() => log.begun.length).toBe(2)
    await turns()
    expect(settled).toEqual([])
    log.begun[1]?.end()
    await Promise.all([first, second])
    expect(settled).toHaveLength(2)
  })

  test('the syncing thread opens the log that is there, and says its size', async () => {
    await using place = await makePlace('sqlite')
    const database = await place.open()
    await database.write((tx) => insertItem(tx, { name: 'x' }))
    const log = openLogSync(`${place.path}-wal`)
    expect((await log.sync()).bytes).toBe(statSync(`${place.path}-wal`).size)
    await log.close()
    const missing = openLogSync(`${place.path}-none`)
    await expect(missing.sync()).rejects.toThrow('ENOENT')
    await missing.close()
  })

  test('the log stays short', async () => {
    await using place = await makePlace('sqlite')
    const database = await place.open()
    for (let i = 0; i < 40; i++) {
      const writes = Array.from({ length: 100 }, (_, j) =>
        database.write((tx) => insertItem(tx, { name: `${i}-${j}-`.padEnd(2_000, 'x') })),
      )
      await Promise.all(writes)
    }
    expect(statSync(`${place.path}-wal`).size).toBeLessThan(70 * 2 ** 20)
    await database.close()
    const native = new NativeDatabase(place.path, { readonly: true })
    expect(native.prepare('pragma integrity_check').pluck().all()).toEqual(['ok'])
    native.close()
  })

  test('a full disk: writes get 503, reads go on, and it resumes', async () => {
    await using place = await makePlace('sqlite')
    const database = await place.open()
    await database.write((tx) => insertItem(tx, { name: 'before' }))
    await database.write((tx) => limitNow(tx))
    const big = Array.from({ length: 5 }, (_, i) =>
      database.write((tx) => insertItem(tx, { name: `${i}`.padEnd(100_000, 'x') })),
    )
    const small = database.write((tx) => insertItem(tx, { name: 'small' }))
    for (const result of await Promise.allSettled(big)) {
      expect(result).toMatchObject({
        status: 'rejected',
        reason: { status: 503, extra: { retry_after_ms: expect.any(Number) as number } },
      })
    }
    // it was in the same lost batch, and fits
    await small
    expect(await database.read((conn) => findItem.first(conn, { name: 'before' }))).toEqual({ name: 'before' })
    await database.write((tx) => limitNoMore(tx))
    await database.write((tx) => insertItem(tx, { name: 'after' }))
    expect(await database.read((conn) => findItem.first(conn, { name: 'after' }))).toEqual({ name: 'after' })
  })
})

// SQLite fails as on a full disk when a database may have no more pages
const limitNow = sqlReturning<object, object>('d.limitNow', 'pragma max_page_count = 1')
const limitNoMore = sqlReturning<object, object>('d.limitNoMore', 'pragma max_page_count = 1000000')

describe('the lease of an SQLite file', () => {
  test('a writer that was replaced commits nothing more and ends', async () => {
    await using place = await makePlace('sqlite')
    const fatal: Error[] = []
    const database = await place.open({ onFatal: (error) => fatal.push(error) })
    const other = new NativeDatabase(place.path)
    other.exec('update writers set fence = fence + 1')
    other.close()
    const write = database.write(async (tx) => {
      tx.nextPosition()
      await insertItem(tx, { name: 'late' })
    })
    await expect(write).rejects.toThrow('another process')
    expect(fatal).toHaveLength(1)
    expect(await database.read((conn) => findItem.first(conn, { name: 'late' }))).toBeUndefined()
  })

  const hold = (path: string) => {
    const script = `
      import Sqlite from 'better-sqlite3'
      const lock = new Sqlite(${JSON.stringify(path)} + '.lock')
      lock.exec('pragma locking_mode = EXCLUSIVE; begin exclusive')
      console.log('held')
      setInterval(() => lock.open, 1000)`
    return spawn(process.execPath, ['--input-type=module', '-e', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
      cwd: process.cwd(),
    })
  }

  test('a second process is refused, and a killed one delays nobody', async () => {
    await using place = await makePlace('sqlite')
    await (await place.open()).close()
    const other = hold(place.path)
    await once(other.stdout, 'data')
    await expect(place.open()).rejects.toThrow('in use by another process')
    other.kill('SIGKILL')
    await once(other, 'exit')
    const before = performance.now()
    await place.open()
    expect(performance.now() - before).toBeLessThan(500)
    await expect(place.open()).rejects.toThrow('in use')
  })
})
