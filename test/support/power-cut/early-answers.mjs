// Preloaded into a server that is to fail a proof: the end of a sync counts for every commit before that end, not only for
// those before its beginning, so answers are released by a sync that was already under way. The disk tells late that it
// has synced: how fast that of this machine is does not decide how many commits come in between.
import fs from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'

const right = 'this.#durable = Math.max(this.#durable, target)'
const lateMs = 8
const { fdatasyncSync, readFileSync } = fs
const never = new Int32Array(new SharedArrayBuffer(4))

fs.fdatasyncSync = (file) => {
  fdatasyncSync(file)
  Atomics.wait(never, 0, 0, lateMs)
}

// dist/main.js reads the program and compiles it; code that was compiled before fits only a text of the same length
fs.readFileSync = /** @type {typeof readFileSync} */ (
  (path, options) => {
    const read = readFileSync(path, options)
    if (typeof read !== 'string' || !String(path).endsWith('lethe.cjs')) return read
    if (read.split(right).length !== 2) throw new Error(`the program does not have once: ${right}`)
    return read.replace(right, 'this.#durable = this.#committed')
  }
)
syncBuiltinESMExports()
