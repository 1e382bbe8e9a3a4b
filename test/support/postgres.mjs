// A throw-away PostgreSQL for tests: `node test/support/postgres.mjs start [FOLDER]` prints its URL,
// `node test/support/postgres.mjs stop FOLDER` ends it and removes the folder; `halt` and `resume` end and start it as it is.
// Nothing in it need survive the machine, so nothing is synced.
import { execFileSync, spawn } from 'node:child_process'
import {
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

const versions = existsSync('/usr/lib/postgresql')
  ? readdirSync('/usr/lib/postgresql').toSorted((a, b) => Number(b) - Number(a))
  : []
const bin = process.env['PG_BIN'] ?? (versions.length > 0 ? `/usr/lib/postgresql/${versions[0]}/bin` : '')
const program = (/** @type {string} */ name) => (bin ? join(bin, name) : name)

// postgres refuses to run as root
function account() {
  if (process.getuid?.() !== 0) return undefined
  for (const name of ['postgres', 'nobody']) {
    try {
      const id = (/** @type {string} */ flag) => Number(execFileSync('id', [flag, name], { encoding: 'utf8' }))
      return { uid: id('-u'), gid: id('-g') }
    } catch {
      continue
    }
  }
  throw new Error('no unprivileged account to run postgres as')
}

/** @returns {Promise<number>} */
function freePort() {
  return new Promise((resolve, reject) => {
    const server = createServer().once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const address = server.address()
      server.close(() => resolve(typeof address === 'object' && address ? address.port : 0))
    })
  })
}

async function start(folder = mkdtempSync(join(tmpdir(), 'lethe-postgres-'))) {
  const who = account()
  mkdirSync(folder, { recursive: true })
  if (who) chownSync(folder, who.uid, who.gid)
  const data = join(folder, 'data')
  const initdb = ['-D', data, '-U', 'lethe', '-A', 'trust', '-E', 'UTF8', '--locale=C', '--no-sync']
  execFileSync(program('initdb'), initdb, { ...who, cwd: folder, stdio: ['ignore', 'ignore', 'inherit'] })
  writeFileSync(join(folder, 'port'), String(await freePort()))
  return { folder, url: await resume(folder) }
}

/** Starts what was made in a folder, and halted since. @param {string} folder */
async function resume(folder) {
  const who = account()
  const data = join(folder, 'data')
  const port = Number(readFileSync(join(folder, 'port'), 'utf8'))
  const settings = {
    listen_addresses: '127.0.0.1',
    port,
    unix_socket_directories: '',
    fsync: 'off',
    max_connections: 300,
    shared_buffers: '128MB',
  }
  const flags = Object.entries(settings).flatMap(([key, value]) => ['-c', `${key}=${value}`])
  const logFile = join(folder, 'server.log')
  const from = existsSync(logFile) ? readFileSync(logFile).length : 0
  const said = () => readFileSync(logFile).toString('utf8', from)
  const log = openSync(logFile, 'a')
  const server = spawn(program('postgres'), ['-D', data, ...flags], {
    ...who,
    cwd: folder,
    detached: true,
    stdio: ['ignore', log, log],
  })
  server.unref()
  writeFileSync(join(folder, 'pid'), String(server.pid))
  for (let tries = 0; tries < 200; tries++) {
    if (server.exitCode !== null) break
    if (said().includes('ready to accept connections')) return `postgres://lethe@127.0.0.1:${port}/postgres`
    await sleep(50)
  }
  throw new Error(`postgres did not start: ${said()}`)
}

/** Ends it at once, as a crash would; the folder stays. @param {string} folder */
async function halt(folder) {
  const pid = Number(readFileSync(join(folder, 'pid'), 'utf8'))
  try {
    process.kill(pid, 'SIGQUIT')
    for (let tries = 0; tries < 200; tries++) {
      process.kill(pid, 0)
      await sleep(25)
    }
  } catch {
    // it is gone
  }
}

/** @param {string} folder */
async function stop(folder) {
  await halt(folder)
  rmSync(folder, { recursive: true, force: true })
}

const [, , command, folder] = process.argv
if (command === 'start') {
  const made = await start(folder)
  console.log(made.url)
  if (!folder) console.error(made.folder)
} else if (command === 'stop' && folder) await stop(folder)
else if (command === 'halt' && folder) await halt(folder)
else if (command === 'resume' && folder) console.log(await resume(folder))
else {
  console.error('usage: postgres.mjs start [FOLDER] | halt FOLDER | resume FOLDER | stop FOLDER')
  process.exitCode = 2
}
