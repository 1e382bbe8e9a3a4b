// Signs texts in a thread of its own: a signature takes longer than anything else that a message needs.
import { sign } from 'node:crypto'
import { parentPort, workerData } from 'node:worker_threads'

/** @type {{ key: import('node:crypto').KeyObject }} */
const { key } = workerData

parentPort?.on('message', (/** @type {readonly string[]} */ texts) => {
  try {
    const signatures = texts.map((text) => sign(null, Buffer.from(text), key).toString('base64').replace(/=+$/, ''))
    parentPort?.postMessage({ signatures })
  } catch (error) {
    parentPort?.postMessage({ failure: error instanceof Error ? error.message : String(error) })
  }
})
