// Starts the server that was built, in a folder of its own, until it answers, and keeps the code that V8 made of it by then
// beside it: a start is then spared the compiling.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'

const port = await new Promise((resolve) => {
  const server = createServer().listen(0, '127.0.0.1', () => {
    const { port: free } = /** @type {import('node:net').AddressInfo} */ (server.address())
    server.close(() => resolve(free))
  })
})
const home = mkdtempSync(join(tmpdir(), 'lethe-build-'))
process.on('exit', () => rmSync(home, { recursive: true, force: true }))
const config = join(home, 'config.yaml')
writeFileSync(
  config,
  `server_name: localhost
data_dir: ${JSON.stringify(join(home, 'data'))}
logging:
  level: warn
listeners:
  - host: 127.0.0.1
    port: ${port}
    resources: [client, media, health]
`,
)
process.argv.splice(2, Infinity, 'serve', '--config', config)
const { script } = await import('../dist/main.js')
const answers = async () => {
  const answer = await fetch(`http://127.0.0.1:${port}/_matrix/client/versions`).catch(() => undefined)
  return answer?.ok === true
}
for (let left = 4_000; !(await answers()); left--) {
  if (left === 0) throw new Error('the server that was built does not answer')
  await pause(25)
}
writeFileSync('dist/lethe.code', script.createCachedData())
process.exit()
