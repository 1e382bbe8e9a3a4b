import { expect, test } from 'vitest'
import { signingKeyFromSeed, verifyText } from '../../../src/protocol/sign.ts'
import { ThreadSigner, signHere } from '../../../src/rooms/signer.ts'
import { silentLog } from '../../../src/util/log.ts'

const key = signingKeyFromSeed('ed25519:t', new Uint8Array(32).fill(7))
const texts = Array.from({ length: 20 }, (_, i) => `text ${i} \u00e9 \ud83d\ude00 ${'x'.repeat(i * 100)}`)

const nextTurn = () => new Promise((resolve) => setImmediate(resolve))

test('a thread makes the same signatures in the same order, before it runs, while it does, and when it is gone', async () => {
  const errors: string[] = []
  const signer = new ThreadSigner(key, { ...silentLog, error: (message: string) => void errors.push(message) })
  const expected = await signHere(key).sign(texts)
  expect(expected.every((signature, i) => verifyText(texts[i] as string, signature, key.publicKey))).toBe(true)
  expect(await signer.sign(texts)).toEqual(expected)
  while (!signer.isAside) await nextTurn()
  const several = await Promise.all([signer.sign(texts), signer.sign(texts.slice(3)), signer.sign(texts.slice(0, 2))])
  expect(several).toEqual([expected, expected.slice(3), expected.slice(0, 2)])
  const [cutOff] = await Promise.all([signer.sign(texts), signer.stop()])
  expect(cutOff).toEqual(expected)
  expect(await signer.sign(texts)).toEqual(expected)
  expect(errors).toEqual([])
})

test('where the thread cannot sign, it is told, and signatures are made without it', async () => {
  const errors: string[] = []
  let asked = 0
  const broken = {
    ...key,
    get privateKey() {
      // the thread is the first to ask, and gets what is no key
      return asked++ === 0 ? ({} as typeof key.privateKey) : key.privateKey
    },
  }
  const signer = new ThreadSigner(broken, { ...silentLog, error: (message: string) => void errors.push(message) })
  while (!signer.isAside) await signer.sign(texts).then(nextTurn)
  expect(await signer.sign(texts)).toEqual(await signHere(key).sign(texts))
  expect(errors).toHaveLength(1)
  await signer.stop()
})
