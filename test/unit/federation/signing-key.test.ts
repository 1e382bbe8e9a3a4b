import { mkdtempSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { loadSigningKeys, rotateSigningKey } from '../../../src/federation/signing-key.ts'
import { formatSigningKey, generateSigningKey, signText, verifyText } from '../../../src/protocol/sign.ts'
import { systemRandom } from '../../../src/util/system-ports.ts'

let folder: string
let path: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'lethe-key-'))
  path = join(folder, 'signing.key')
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

test('a key is made when there is none, readable by its owner only, and stays', async () => {
  const first = await loadSigningKeys(path, systemRandom)
  expect(statSync(path).mode & 0o777).toBe(0o600)
  expect(readdirSync(folder)).toEqual(['signing.key'])
  const second = await loadSigningKeys(path, systemRandom)
  expect(second.current.publicKey).toBe(first.current.publicKey)
  expect(second.current.keyId).toBe(first.current.keyId)
})

test('the folder of the key is made with it, for its owner only', async () => {
  path = join(folder, 'a', 'keys', 'signing.key')
  await loadSigningKeys(path, systemRandom)
  expect(statSync(join(folder, 'a', 'keys')).mode & 0o777).toBe(0o700)
})

test('two keys are never the same', async () => {
  const { current } = await loadSigningKeys(path, systemRandom)
  const other = await loadSigningKeys(join(folder, 'other'), systemRandom)
  expect(other.current.publicKey).not.toBe(current.publicKey)
})

test('after a rotation the new key signs and the old one is kept beside it', async () => {
  const { current: before } = await loadSigningKeys(path, systemRandom)
  await rotateSigningKey(path, systemRandom, 1000)
  await rotateSigningKey(path, systemRandom, 2000)
  const { current, old } = await loadSigningKeys(path, systemRandom)
  expect(old.map(({ expiredTs }) => expiredTs)).toEqual([1000, 2000])
  expect(old[0]).toMatchObject({ keyId: before.keyId, publicKey: before.publicKey })
  expect(new Set([current.keyId, ...old.map(({ keyId }) => keyId)]).size).toBe(3)
  expect(verifyText('x', signText('x', before), old[0]?.publicKey ?? '')).toBe(true)
  expect(readFileSync(`${path}.old`, 'utf8')).not.toContain(formatSigningKey(before).split(' ')[2])
  expect(statSync(`${path}.old`).mode & 0o777).toBe(0o600)
})

test.each([
  ['the example of the specification', 'YJDBA9Xnr2sVqXD9Vj7XVUnmFZcZrlw8Md7kMW+3XA1'],
  [
    'RFC 8032’s first',
    Buffer.from('9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60', 'hex').toString('base64'),
  ],
  ['nothing but zeros', Buffer.alloc(32).toString('base64')],
  ['one byte over and over', Buffer.alloc(32, 7).toString('base64')],
])('a key that everybody knows is refused: %s', async (_what, seed) => {
  writeFileSync(path, `ed25519 1 ${seed}\n`)
  await expect(loadSigningKeys(path, systemRandom)).rejects.toThrow(/signing key/)
})

test.each(['', 'rubbish', 'ed25519 1 tooshort', 'ed25519 a:b AAAA'])(
  'a file with %j is an error, and is not overwritten',
  async (text) => {
    writeFileSync(path, text)
    await expect(loadSigningKeys(path, systemRandom)).rejects.toThrow(/holds no signing key/)
    expect(readFileSync(path, 'utf8')).toBe(text)
  },
)

test('an old key with the id of the current one does not count', async () => {
  const key = generateSigningKey((size) => systemRandom.bytes(size))
  writeFileSync(path, formatSigningKey(key))
  writeFileSync(`${path}.old`, `ed25519 ${key.keyId.slice(8)} ${key.publicKey} 5\n`)
  expect((await loadSigningKeys(path, systemRandom)).old).toEqual([])
})
