import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { createWriteStream, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import type { TestTls } from './tls.ts'
import { freePorts } from './ports.ts'

const main = process.env['LETHE_TEST_MAIN'] ?? resolve(import.meta.dirname, '../../dist/main.js')

/** Where a built server of a test listens and lives. */
export interface LetheOptions {
  readonly folder: string
  /** without it there is no listener for federation */
  readonly tls?: TestTls
  /** Anything of the configuration file that differs from the test's own defaults, by section. */
  readonly config?: Readonly<Record<string, unknown>>
  readonly postgresUrl?: string
  /** The binary to run; the one that runs the test unless given. */
  readonly node?: string
  /** The built program; that of this checkout unless given. */
  readonly main?: string
  readonly env?: Readonly<Record<string, string>>
  /** Words before `node`, such as strace or faketime. */
  readonly wrapper?: readonly string[]
}

/** The built server as a process of its own, on loopback, with TLS for federation. */
export class LetheProcess {
  readonly name: string
  readonly clientUrl: string
  readonly federationUrl: string
  readonly folder: string
  readonly configFile: string
  private readonly options: LetheOptions
  private child: ChildProcess | undefined

  private constructor(options: LetheOptions, clientPort: number, federationPort: number, adminPort: number) {
    this.options = options
    this.folder = options.folder
    this.name = `localhost:${federationPort}`
    this.clientUrl = `http://127.0.0.1:${clientPort}`
    this.federationUrl = `https://127.0.0.1:${federationPort}`
    this.configFile = join(options.folder, 'config.yaml')
    mkdirSync(options.folder, { recursive: true })
    const { tls } = options
    const config = {
      server_name: this.name,
      public_base_url: this.clientUrl,
      data_dir: join(options.folder, 'data'),
      listeners: [
        { host: '127.0.0.1', port: clientPort, resources: ['client', 'media', 'health'] },
        ...(tls === undefined
          ? []
          : [
              {
                host: '127.0.0.1',
                port: federationPort,
                resources: ['federation', 'media'],
                tls: { cert_file: tls.cert, key_file: tls.key },
              },
            ]),
        { host: '127.0.0.1', port: adminPort, resources: ['admin', 'metrics', 'health'] },
      ],
      passwords: { bcrypt_cost: 4, allow_weak_hash: true },
      registration: { enabled: true, flows: ['dummy'], shared_secret: 'shared secret of a test' },
      rate_limits: { enabled: false },
      ...(tls === undefined
        ? {}
        : {
            federation: { extra_ca_files: [tls.ca] },
            outgoing_http: { extra_ca_files: [tls.ca], allow_private_addresses: true },
          }),
      ...(options.postgresUrl === undefined ? {} : { database: { engine: 'postgres', url: options.postgresUrl } }),
      ...options.config,
    }
    // JSON is valid YAML.
    writeFileSync(this.configFile, JSON.stringify(config, null, 2))
  }

  /** Writes the configuration, without starting. */
  static async prepare(options: LetheOptions): Promise<LetheProcess> {
    const [clientPort, federationPort, adminPort] = (await freePorts(3)) as [number, number, number]
    return new LetheProcess(options, clientPort, federationPort, adminPort)
  }

  static async start(options: LetheOptions): Promise<LetheProcess> {
    const lethe = await LetheProcess.prepare(options)
    await lethe.start()
    return lethe
  }

  get pid(): number | undefined {
    return this.child?.pid
  }

  /** Everything that the server stores, unless the configuration says otherwise. */
  get dataFolder(): string {
    return join(this.folder, 'data')
  }

  /** Starts the process and waits until it answers. */
  async start(env: Readonly<Record<string, string>> = {}): Promise<void> {
    const [command, ...args] = [
      ...(this.options.wrapper ?? []),
      this.options.node ?? process.execPath,
      this.options.main ?? main,
      'serve',
      '--config',
      this.configFile,
    ]
    const child = spawn(command, args, {
      cwd: this.folder,
      env: { ...process.env, ...this.options.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    this.child = child
    const log = createWriteStream(join(this.folder, 'server.log'), { flags: 'a' })
    child.stdout.pipe(log, { end: false })
    child.stderr.pipe(log, { end: false })
    for (let i = 0; i < 2400; i++) {
      if (child.exitCode !== null || child.signalCode !== null)
        throw new Error(`the server ended at its start:\n${this.log().slice(-3000)}`)
      const ready = await fetch(`${this.clientUrl}/_matrix/client/versions`).then(
        (answer) => answer.ok,
        () => false,
      )
      if (ready) return
      await pause(25)
    }
    child.kill('SIGKILL')
    throw new Error(`the server does not answer:\n${this.log().slice(-3000)}`)
  }

  /** Ends the process by `signal` and waits for its end. Returns the exit code. */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<number | null> {
    const child = this.child
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return child?.exitCode ?? null
    const ended = new Promise<number | null>((done) => child.once('exit', (code) => done(code)))
    child.kill(signal)
    return ended
  }

  /** Waits for the process to end by itself. Returns its exit code and the signal that ended it. */
  async ended(): Promise<{ code: number | null; signal: NodeJS.Signals | null }> {
    const child = this.child
    if (child === undefined) throw new Error('the server was never started')
    if (child.exitCode !== null || child.signalCode !== null) return { code: child.exitCode, signal: child.signalCode }
    return new Promise((done) => child.once('exit', (code, signal) => done({ code, signal })))
  }

  log(): string {
    const file = join(this.folder, 'server.log')
    return existsSync(file) ? readFileSync(file, 'utf8') : ''
  }

  /** Runs a command of `lethe` that prints JSON beside the server; throws where it does not end with exit code 0. */
  async json<T = Record<string, unknown>>(...args: string[]): Promise<T> {
    const { code, stdout, stderr } = await this.command(...args, '--json')
    if (code !== 0) throw new Error(`lethe ${args.join(' ')}: exit ${code}: ${stderr}${stdout}`)
    return JSON.parse(stdout) as T
  }

  /** Runs a command of `lethe` beside the server; one that takes longer than a minute is killed. */
  async command(...args: string[]): Promise<{ code: number | null; stdout: string; stderr: string }> {
    const child = spawn(this.options.node ?? process.execPath, [main, ...args, '--config', this.configFile], {
      cwd: this.folder,
      env: { ...process.env, ...this.options.env },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    let stdout = ''
    let stderr = ''
    child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()))
    child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()))
    const tooLong = setTimeout(() => child.kill('SIGKILL'), 60_000)
    const code = await new Promise<number | null>((done) => child.once('close', (exit) => done(exit)))
    clearTimeout(tooLong)
    return { code, stdout, stderr }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop('SIGKILL')
  }
}
