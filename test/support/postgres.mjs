// A throw-away PostgreSQL for tests: `node test/support/postgres.mjs start [FOLDER]` prints its URL,
// `node test/support/postgres.mjs stop FOLDER` ends it and removes the folder. Nothing in it survives, so nothing is synced.
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
  const port = await freePort()
  const initdb = ['-D', data, '-U', 'lethe', '-A', 'trust', '-E', 'UTF8', '--locale=C', '--no-sync']
  execFileSync(program('initdb'), initdb, { ...who, cwd: folder, stdio: ['ignore', 'ignore', 'inherit'] })
  const settings = {
    listen_addresses: '127.0.0.1',
    port,
    unix_socket_directories: '',
    fsync: 'off',
    max_connections: 300,
    shared_buffers: '128MB',
  }
  const flags = Object.entries(settings).flatMap(([key, value]) => ['-c', `${key}=${value}`])
  const log = openSync(join(folder, 'server.log'), 'a')
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
    if (readFileSync(join(folder, 'server.log'), 'utf8').includes('ready to accept connections')) {
      return { folder, url: `postgres://lethe@127.0.0.1:${port}/postgres` }
    }
    await sleep(50)
  }
  throw new Error(`postgres did not start: ${readFileSync(join(folder, 'server.log'), 'utf8')}`)
}

/** @param {string} folder */
async function stop(folder) {
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
  rmSync(folder, { recursive: true, force: true })
}

const [, , command, folder] = process.argv
if (command === 'start') {
  const made = await start(folder)
  console.log(made.url)
  if (!folder) console.error(made.folder)
} else if (command === 'stop' && folder) await stop(folder)
else {
  console.error('usage: postgres.mjs start [FOLDER] | stop FOLDER')
  process.exitCode = 2
}
