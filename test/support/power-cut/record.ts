import { spawnSync } from 'node:child_process'
import { closeSync, existsSync, fstatSync, mkdirSync, openSync, readFileSync, readSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { LetheProcess } from '../lethe-process.ts'
import { RecordedDisk } from './disk.ts'
import { settle, work } from './load.ts'
import type { Told } from './load.ts'

/** A run of the built server under load: what it told, and all that it did to its files. */
export interface Recording {
  readonly name: string
  readonly told: Told
  readonly disk: RecordedDisk
  /** the folder of the server's data, as it was left */
  readonly dataFolder: string
}

const changing =
  'write,pwrite64,writev,pwritev,?pwritev2,?open,openat,?openat2,?creat,close,accept4,?rename,renameat,?renameat2,' +
  '?unlink,unlinkat,?mkdir,mkdirat,?rmdir,?link,linkat,truncate,ftruncate,fallocate,fsync,fdatasync,' +
  'sync_file_range,?copy_file_range,sendfile'
const options = ['-D', '-f', '--seccomp-bpf', '-q', '-s', '16777216', '-e', `trace=${changing}`]
const wrapper = ['sh', '-c', `exec strace ${options.join(' ')} -o "$LETHE_RECORD" "$0" "$@"`]
const patienceMs = 30_000
const idleMs = 2_500

/** What to record. */
export interface Wanted {
  readonly messages: number
  /** with a pause in which the log is emptied */
  readonly isLong: boolean
  readonly env?: Readonly<Record<string, string>>
}

/** Why nothing can be recorded here; undefined where it can. Throws where it must be possible. */
export function checkStrace(): string | undefined {
  const { status } = spawnSync('strace', [...options, '-o', '/dev/null', 'true'])
  if (status === 0) return undefined
  const reason = 'strace is missing or may not trace here'
  if (process.env['CI'] !== undefined || process.env['LETHE_REQUIRE_INTEROP'] !== undefined) throw new Error(reason)
  console.warn(`power cuts are not tested: ${reason}`)
  return reason
}

/**
 * Records two lives of one server in `folder`: the first is ended by SIGTERM, so that the second begins a new log; the
 * second by SIGKILL, so that it keeps it. A record that is already there is read again.
 */
export async function record(folder: string, wanted: Wanted): Promise<Recording> {
  const summary = join(folder, 'told.json')
  const server = join(folder, 'server')
  if (!existsSync(summary)) await run(folder, server, wanted)
  const { name, told } = JSON.parse(readFileSync(summary, 'utf8')) as Pick<Recording, 'name' | 'told'>
  const dataFolder = join(server, 'data')
  const disk = new RecordedDisk(server, ['config.yaml', 'server.log'])
  for (const life of [0, 1]) disk.add(readFileSync(join(folder, `calls.${life}`), 'latin1'))
  return { name, told, disk, dataFolder }
}

async function run(folder: string, server: string, { messages, isLong, env }: Wanted): Promise<void> {
  mkdirSync(folder, { recursive: true })
  const lethe = await LetheProcess.prepare({ folder: server, env: { UV_USE_IO_URING: '0', ...env }, wrapper })
  const url = lethe.clientUrl
  const calls = (life: number) => join(folder, `calls.${life}`)
  const end = async (life: number, signal: NodeJS.Signals) => {
    const { pid } = lethe
    await lethe.stop(signal)
    const last = new RegExp(String.raw`^${pid} +\+\+\+ `, 'm')
    for (let waitedMs = 0; !last.test(tail(calls(life))); waitedMs += 10) {
      if (waitedMs > patienceMs) throw new Error('the record has no end')
      await pause(10)
    }
  }
  await lethe.start({ LETHE_RECORD: calls(0) })
  try {
    const { told, users } = await settle(url, 3)
    await work({ url, messages: messages / 2, round: 0 }, users, told)
    // a server with nothing to do takes all of its log into the database, and the next write begins the log anew
    if (isLong) await pause(idleMs)
    await work({ url, messages: messages / 4, round: 1 }, users, told)
    await end(0, 'SIGTERM')
    await lethe.start({ LETHE_RECORD: calls(1) })
    await work({ url, messages: messages / 4, round: 2 }, users, told)
    await end(1, 'SIGKILL')
    writeFileSync(join(folder, 'told.json'), JSON.stringify({ name: lethe.name, told }))
  } finally {
    await lethe.stop('SIGKILL')
  }
}

function tail(path: string): string {
  const file = openSync(path, 'r')
  const { size } = fstatSync(file)
  const bytes = Buffer.alloc(Math.min(size, 4096))
  readSync(file, bytes, 0, bytes.length, size - bytes.length)
  closeSync(file)
  return bytes.toString('latin1')
}
