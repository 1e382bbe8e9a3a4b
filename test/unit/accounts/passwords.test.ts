import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import bcrypt from 'bcrypt'
import { afterAll, expect, test } from 'vitest'
import { Passwords } from '../../../src/accounts/passwords.ts'
import { configuredPepper, loadPeppers, rotatePepper } from '../../../src/accounts/pepper.ts'
import { WorkQueue } from '../../../src/accounts/work-queue.ts'
import { systemRandom } from '../../../src/util/system-ports.ts'

const folder = mkdtempSync(join(tmpdir(), 'lethe-pepper-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const passwords = new Passwords({ peppers: configuredPepper('p'), cost: 4, minimumLength: 8 })
const stored = async (password: string, from = passwords) => {
  const { hash, pepperId } = await from.hash(password)
  return { password_hash: hash, pepper_id: pepperId }
}

test('P6: what is stored is bcrypt of the peppered password, with the pepper id beside it', async () => {
  const row = await stored('correct horse')
  expect(row.password_hash).toMatch(/^\$2[aby]\$04\$/)
  expect(row.pepper_id).toBe('configured')
  expect(await bcrypt.compare('correct horse', row.password_hash)).toBe(false)
  expect(await passwords.verify('correct horse', row)).toBe(true)
  expect(await passwords.verify('correct horsf', row)).toBe(false)
})

test('every byte counts: beyond 72 of them and after a NUL', async () => {
  const long = await stored('x'.repeat(72) + 'a')
  expect(await passwords.verify('x'.repeat(72) + 'b', long)).toBe(false)
  expect(await passwords.verify('x'.repeat(72), long)).toBe(false)
  const nul = await stored('secret12\0one')
  expect(await passwords.verify('secret12\0two', nul)).toBe(false)
  expect(await passwords.verify('secret12\0one', nul)).toBe(true)
})

test('no password fits where there is no hash, whatever it is', async () => {
  for (const password of ['', '*', '!', 'null', 'x'.repeat(1_000_000)]) {
    expect(await passwords.verify(password, undefined)).toBe(false)
    expect(await passwords.verify(password, { password_hash: null, pepper_id: null })).toBe(false)
  }
})

test('empty, short and huge passwords are refused when they are set', () => {
  expect(() => passwords.assertAcceptable('')).toThrow(expect.objectContaining({ errcode: 'M_WEAK_PASSWORD' }))
  expect(() => passwords.assertAcceptable('1234567')).toThrow(expect.objectContaining({ errcode: 'M_WEAK_PASSWORD' }))
  expect(() => passwords.assertAcceptable('x'.repeat(1_000_000))).toThrow(
    expect.objectContaining({ errcode: 'M_INVALID_PARAM' }),
  )
  passwords.assertAcceptable('x'.repeat(4096))
})

test('an unknown user takes as long as a known one', async () => {
  const slow = new Passwords({ peppers: configuredPepper('p'), cost: 9, minimumLength: 8 })
  const row = await stored('correct horse', slow)
  const time = async (check: () => Promise<boolean>) => {
    const begun = performance.now()
    for (let i = 0; i < 5; i++) await check()
    return performance.now() - begun
  }
  const known = await time(() => slow.verify('wrong one', row))
  const unknown = await time(() => slow.verify('wrong one', undefined))
  expect(unknown / known).toBeGreaterThan(0.4)
  expect(unknown / known).toBeLessThan(2.5)
})

test('the pepper file is made once, readable by its owner only, and can be rotated', async () => {
  const path = join(folder, 'pepper')
  const first = await loadPeppers(path, systemRandom)
  expect(statSync(path).mode & 0o777).toBe(0o600)
  expect(await loadPeppers(path, systemRandom)).toEqual(first)
  const old = new Passwords({ peppers: first, cost: 4, minimumLength: 8 })
  const row = await stored('correct horse', old)
  await rotatePepper(path, systemRandom)
  expect(readFileSync(path, 'utf8').trim().split('\n')).toHaveLength(2)
  const second = await loadPeppers(path, systemRandom)
  const rotated = new Passwords({ peppers: second, cost: 4, minimumLength: 8 })
  expect(second.current).not.toBe(first.current)
  expect(await rotated.verify('correct horse', row)).toBe(true)
  expect(rotated.isOutdated(row)).toBe(true)
  expect(rotated.isOutdated(await stored('correct horse', rotated))).toBe(false)
})

test('a damaged pepper file is an error and not a new pepper', async () => {
  const path = join(folder, 'damaged')
  writeFileSync(path, 'hello\n')
  await expect(loadPeppers(path, systemRandom)).rejects.toThrow('not a pepper file')
  writeFileSync(path, '')
  await expect(loadPeppers(path, systemRandom)).rejects.toThrow('no pepper')
})

test('the queue runs so many at once, and refuses when the line is full', async () => {
  const queue = new WorkQueue(2, 2)
  let running = 0
  let most = 0
  const ends: (() => void)[] = []
  const job = () =>
    queue.run(async () => {
      most = Math.max(most, ++running)
      await new Promise<void>((resolve) => ends.push(resolve))
      running--
    })
  const jobs = [job(), job(), job(), job()]
  await expect(job()).rejects.toMatchObject({ errcode: 'M_LIMIT_EXCEEDED' })
  for (let ended = 0; ended < 4; ended++) {
    while (ends.length === 0) await Promise.resolve()
    ends.shift()?.()
    await new Promise((resolve) => setImmediate(resolve))
  }
  await Promise.all(jobs)
  expect(most).toBe(2)
})
