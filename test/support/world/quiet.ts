import crypto from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { syncBuiltinESMExports } from 'node:module'
import bcrypt from 'bcrypt'

const realImmediate = globalThis.setImmediate
let waiting = 0
let isInline = false

/**
 * From now on nothing in this process is done by threads whose order nobody knows: signatures and password hashes are made
 * at once, and what was put off to a later turn of the event loop is counted.
 */
export function makeThreadsInline(): void {
  if (isInline) return
  isInline = true
  const counted = (fn: (...args: unknown[]) => void, ...args: unknown[]) => {
    waiting++
    return realImmediate(() => {
      waiting--
      fn(...args)
    })
  }
  globalThis.setImmediate = Object.assign(counted, realImmediate) as unknown as typeof setImmediate
  const known = new Signatures()
  const verify = known.verify(crypto.verify as Verify) as (...args: unknown[]) => boolean
  const inlineVerify = (...args: unknown[]) => {
    const callback = args[4] as ((error: Error | null, isRight: boolean) => void) | undefined
    if (callback === undefined) return verify(...args)
    const isRight = verify(...args.slice(0, 4))
    queueMicrotask(() => callback(null, isRight))
    return undefined
  }
  Object.assign(crypto, {
    verify: inlineVerify,
    sign: known.sign(crypto.sign as Sign),
    createPrivateKey: rememberedKeys(crypto.createPrivateKey as MakeKey),
  })
  syncBuiltinESMExports()
  Object.assign(bcrypt, {
    hash: async (text: string, cost: number) => bcrypt.hashSync(text, cost),
    compare: async (text: string, hash: string) => bcrypt.compareSync(text, hash),
  })
}

type Verify = (algorithm: null, data: Buffer, key: KeyObject, signature: Uint8Array) => boolean

type Sign = (algorithm: null, data: Buffer, key: KeyObject) => Buffer
type MakeKey = (input: { readonly key: Buffer; readonly format: 'der'; readonly type: 'pkcs8' }) => KeyObject

/** Servers of all worlds look at the same signatures: what was signed here, or found out once, is so for ever. */
class Signatures {
  readonly #ids = new WeakMap<KeyObject, string>()
  readonly #known = new Map<string, boolean>()

  verify(verify: Verify): Verify {
    return (algorithm, data, key, signature) => {
      const question = this.#question(key, signature, data)
      const known = this.#known.get(question)
      return known ?? this.#learn(question, verify(algorithm, data, key, signature))
    }
  }

  sign(sign: Sign): Sign {
    return (algorithm, data, key) => {
      const signature = sign(algorithm, data, key)
      this.#learn(this.#question(key, signature, data), true)
      return signature
    }
  }

  #question(key: KeyObject, signature: Uint8Array, data: Buffer): string {
    let id = this.#ids.get(key)
    if (id === undefined) {
      const made = key.type === 'private' ? crypto.createPublicKey(key) : key
      this.#ids.set(key, (id = made.export({ format: 'der', type: 'spki' }).toString('latin1')))
    }
    return `${id} ${Buffer.from(signature).toString('latin1')} ${data.toString('latin1')}`
  }

  #learn(question: string, isRight: boolean): boolean {
    if (this.#known.size > 5_000) this.#known.clear()
    this.#known.set(question, isRight)
    return isRight
  }
}

/** The servers of all worlds have the same few keys, and each start reads them again. */
function rememberedKeys(make: MakeKey): MakeKey {
  const known = new Map<string, KeyObject>()
  return (input) => {
    const text = input.key.toString('latin1')
    let key = known.get(text)
    if (key === undefined) known.set(text, (key = make(input)))
    return key
  }
}

const turn = () => new Promise<void>((resolve) => realImmediate(resolve))

const readsFiles = () => process.getActiveResourcesInfo().some((name) => /^(FSReq|FileHandle)/i.test(name))

/** Waits until everything that can go on has gone on: what is left waits for virtual time. */
export async function quiet(isBusy: () => boolean = () => false): Promise<void> {
  for (let calm = 0, left = 1_000_000; calm < 2; left--) {
    await turn()
    calm = waiting === 0 && !isBusy() && !readsFiles() ? calm + 1 : 0
    if (left === 0) throw new Error('it never becomes quiet')
  }
}
