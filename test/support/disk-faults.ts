import { execFileSync, spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { closeSync, mkdirSync, openSync, rmSync, writeSync } from 'node:fs'
import { join } from 'node:path'

/** A disk of a few MiB that can be filled; undefined, with the reason printed, where nothing can be mounted. */
export class SmallDisk {
  readonly folder: string

  private constructor(folder: string) {
    this.folder = folder
  }

  static mount(folder: string, mebibytes: number): SmallDisk | undefined {
    mkdirSync(folder, { recursive: true })
    try {
      execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${mebibytes}m,mode=700`, 'tmpfs', folder], { stdio: 'pipe' })
      return new SmallDisk(folder)
    } catch (error) {
      console.log(`no disk can be mounted here: ${(error as Error).message.split('\n').at(1) ?? ''}`)
      return undefined
    }
  }

  /** Takes all the space that is left. */
  fill(): void {
    const file = openSync(join(this.folder, 'filler'), 'a')
    let size = 1 << 20
    while (size >= 1) {
      try {
        writeSync(file, Buffer.alloc(size))
      } catch {
        size >>= 1
      }
    }
    closeSync(file)
  }

  free(): void {
    rmSync(join(this.folder, 'filler'), { force: true })
  }

  unmount(): void {
    execFileSync('umount', ['-l', this.folder])
  }
}

/** Why no fault can be injected into a process, or undefined. */
export function cannotTrace(): string | undefined {
  try {
    execFileSync('strace', ['-o', '/dev/null', '-e', 'inject=fdatasync:error=EIO', 'true'], { stdio: 'pipe' })
    return undefined
  } catch (error) {
    return `strace does not work here: ${(error as Error).message.split('\n')[0] ?? ''}`
  }
}

/** System calls of a running process that fail, from now on until `end`. */
export class InjectedFault {
  readonly #child: ChildProcess
  #output = ''

  private constructor(child: ChildProcess) {
    this.#child = child
    child.stderr?.on('data', (chunk: Buffer) => (this.#output += chunk.toString()))
  }

  /**
   * Resolves when each of `calls` on `path` (undefined: on any file) fails in all threads of the process.
   * @param calls names, with commas between them
   * @param error the name of the error (`EIO`)
   */
  static async begin(pid: number, path: string | undefined, calls: string, error: string): Promise<InjectedFault> {
    const where = path === undefined ? [] : ['-P', path]
    const args = ['-f', '-p', String(pid), ...where, '-e', `trace=${calls}`, '-e', `inject=${calls}:error=${error}`]
    const child = spawn('strace', args, { stdio: ['ignore', 'ignore', 'pipe'] })
    const fault = new InjectedFault(child)
    await new Promise<void>((resolve, reject) => {
      child.once('exit', () => reject(new Error(`strace ended: ${fault.#output}`)))
      child.stderr?.on('data', () => {
        if (/attached/.test(fault.#output)) resolve()
      })
    })
    return fault
  }

  /** How many calls failed so far. */
  get count(): number {
    return this.#output.match(/\(INJECTED\)/g)?.length ?? 0
  }

  /** Lets the process go on as before. */
  async end(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return
    const ended = new Promise((resolve) => this.#child.once('exit', resolve))
    this.#child.kill('SIGINT')
    await ended
  }
}
