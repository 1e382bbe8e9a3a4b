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
  const verify = remembered(crypto.verify as Verify) as (...args: unknown[]) => boolean
  const inlineVerify = (...args: unknown[]) => {
    const callback = args[4] as ((error: Error | null, isRight: boolean) => void) | undefined
    if (callback === undefined) return verify(...args)
    const isRight = verify(...args.slice(0, 4))
    queueMicrotask(() => callback(null, isRight))
    return undefined
  }
  Object.assign(crypto, { verify: inlineVerify })
  syncBuiltinESMExports()
  Object.assign(bcrypt, {
    hash: async (text: string, cost: number) => bcrypt.hashSync(text, cost),
    compare: async (text: string, hash: string) => bcrypt.compareSync(text, hash),
  })
}

type Verify = (algorithm: null, data: Buffer, key: KeyObject, signature: Uint8Array) => boolean

/** Every server of every world looks at the same signatures: what was found out once is so for ever. */
function remembered(verify: Verify): Verify {
  const ids = new WeakMap<KeyObject, string>()
  const known = new Map<string, boolean>()
  return (algorithm, data, key, signature) => {
    let id = ids.get(key)
    if (id === undefined) ids.set(key, (id = key.export({ format: 'der', type: 'spki' }).toString('latin1')))
    const question = `${id} ${Buffer.from(signature).toString('latin1')} ${data.toString('latin1')}`
    let isRight = known.get(question)
    if (isRight === undefined) {
      isRight = verify(algorithm, data, key, signature)
      if (known.size > 2_000) known.clear()
      known.set(question, isRight)
    }
    return isRight
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
