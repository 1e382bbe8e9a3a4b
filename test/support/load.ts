import { execFileSync, spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'

/** How times (ms) are spread. */
export interface Spread {
  readonly count: number
  readonly p50: number
  readonly p90: number
  readonly p99: number
  readonly max: number
}

/** Who sends where; `label` makes the transaction ids differ. */
export interface Sender {
  readonly token: string
  readonly room: string
  readonly label: string
}

const driver = resolve(import.meta.dirname, 'load-driver.mjs')

async function drive<R>(task: object): Promise<R> {
  const child = spawn(process.execPath, [driver], { stdio: ['pipe', 'pipe', 'inherit'] })
  child.stdin.end(JSON.stringify(task))
  let out = ''
  child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()))
  const code = await new Promise<number | null>((done) => child.once('close', done))
  if (code !== 0) throw new Error(`the driver ended with ${code}`)
  return JSON.parse(out) as R
}

/** Sends from all senders at once, each waiting for its answer, for `seconds` or until `total` were sent. */
export const driveSends = (task: {
  readonly url: string
  readonly senders: readonly Sender[]
  readonly seconds: number
  readonly total?: number
}): Promise<Spread & { readonly perSecond: number; readonly tookMs: number }> => drive({ task: 'sends', ...task })

/** Users that poll while one sender sends: the times from each send to each user's answer, those of `warmup` sends apart. */
export const driveWakes = (task: {
  readonly url: string
  readonly users: readonly { readonly token: string; readonly since: string }[]
  readonly sender: Sender
  readonly everyMs: number
  readonly warmup: number
  readonly count: number
}): Promise<Spread & { readonly missing: number; readonly sendingMs: number; readonly first: Spread }> =>
  drive({ task: 'wakes', ...task })

/** Reads one after the other, `paths` in turn; `first` is the first one's time, `bytes` the last answer's length. */
export const driveReads = (task: {
  readonly url: string
  readonly token: string
  readonly paths: readonly string[]
  readonly count: number
}): Promise<Spread & { readonly first: number; readonly bytes: number }> => drive({ task: 'reads', ...task })

/** Processor time of a process and its threads so far, in ms. */
export function cpuMs(pid: number | undefined): number {
  const fields = (readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1] ?? '').split(' ')
  return (Number(fields[11]) + Number(fields[12])) * 10
}

/** Resident memory of a process now, and the most it ever was, in MB. */
export function memoryMb(pid: number | undefined): { readonly now: number; readonly most: number } {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8')
  const of = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(status)?.[1] ?? 0) / 1024
  return { now: of('VmRSS'), most: of('VmHWM') }
}

/** Where and on what a benchmark ran. */
export function conditions(): string {
  const commit = execFileSync('git', ['rev-parse', '--short', 'HEAD'], { encoding: 'utf8' }).trim()
  const load = readFileSync('/proc/loadavg', 'utf8').split(' ')[0]
  return `commit ${commit}, Node ${process.versions.node}, SQLite durable, load before ${load}`
}

/** One line of a table: what, our figure, the peer's, their ratio and the aim. */
export function line(what: string, ours: string, theirs: string, aim: string): void {
  console.log(`${what.padEnd(34)} Lethe ${ours.padStart(12)}   Synapse ${theirs.padStart(12)}   ${aim}`)
}
