import { execFileSync, spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { createWriteStream, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { freePorts } from './ports.ts'
import type { TestTls } from './tls.ts'

const python = process.env['LETHE_SYNAPSE_PYTHON'] ?? ''

/**
 * Why tests against a real Synapse cannot run here, or undefined where they can. To get one:
 * `python3 -m venv DIR && DIR/bin/pip install matrix-synapse==1.160.0`, then LETHE_SYNAPSE_PYTHON=DIR/bin/python.
 */
export function synapseMissing(): string | undefined {
  if (python !== '' && existsSync(python)) return undefined
  if (process.env['LETHE_REQUIRE_INTEROP'] !== undefined) throw new Error('LETHE_SYNAPSE_PYTHON names no python')
  return 'LETHE_SYNAPSE_PYTHON is not set: python3 -m venv DIR && DIR/bin/pip install matrix-synapse==1.160.0'
}

const unlimited = { per_second: 10000, burst_count: 10000 }

/** A real Synapse on loopback, with SQLite and TLS for federation. */
export class Synapse {
  readonly name: string
  readonly clientUrl: string
  readonly folder: string
  private child: ChildProcess | undefined

  private constructor(
    folder: string,
    clientPort: number,
    federationPort: number,
    tls: TestTls,
    more: Readonly<Record<string, unknown>>,
  ) {
    this.folder = folder
    this.name = `localhost:${federationPort}`
    this.clientUrl = `http://127.0.0.1:${clientPort}`
    mkdirSync(folder, { recursive: true })
    const at = (file: string) => join(folder, file)
    writeFileSync(
      at('log.yaml'),
      JSON.stringify({
        version: 1,
        handlers: { file: { class: 'logging.FileHandler', filename: at('synapse.log') } },
        root: { level: 'WARNING', handlers: ['file'] },
      }),
    )
    writeFileSync(
      at('homeserver.yaml'),
      JSON.stringify(
        {
          server_name: this.name,
          public_baseurl: this.clientUrl,
          listeners: [
            {
              port: clientPort,
              type: 'http',
              tls: false,
              bind_addresses: ['127.0.0.1'],
              resources: [{ names: ['client', 'federation'] }],
            },
            {
              port: federationPort,
              type: 'http',
              tls: true,
              bind_addresses: ['127.0.0.1'],
              resources: [{ names: ['federation'] }],
            },
          ],
          tls_certificate_path: tls.cert,
          tls_private_key_path: tls.key,
          federation_custom_ca_list: [tls.ca],
          ip_range_blacklist: [],
          trusted_key_servers: [],
          suppress_key_server_warning: true,
          registration_shared_secret: 'secret',
          macaroon_secret_key: 'secret',
          form_secret: 'secret',
          signing_key_path: at('signing.key'),
          media_store_path: at('media'),
          log_config: at('log.yaml'),
          pid_file: at('pid'),
          report_stats: false,
          rc_message: unlimited,
          rc_registration: unlimited,
          rc_login: { address: unlimited, account: unlimited, failed_attempts: unlimited },
          rc_joins: { local: unlimited, remote: unlimited },
          rc_joins_per_room: unlimited,
          rc_invites: { per_room: unlimited, per_user: unlimited, per_issuer: unlimited },
          rc_admin_redaction: unlimited,
          rc_key_requests: unlimited,
          rc_media_create: unlimited,
          rc_room_creation: unlimited,
          rc_federation: {
            window_size: 1000,
            sleep_limit: 10000,
            sleep_delay: 1,
            reject_limit: 10000,
            concurrent: 100,
          },
          bcrypt_rounds: 4,
          allow_public_rooms_over_federation: true,
          enable_registration: true,
          enable_registration_without_verification: true,
          database: { name: 'sqlite3', args: { database: at('homeserver.db') } },
          ...more,
        },
        null,
        2,
      ),
    )
    execFileSync(python, ['-m', 'synapse.app.homeserver', '-c', at('homeserver.yaml'), '--generate-keys'], {
      cwd: folder,
      stdio: 'pipe',
    })
  }

  static async start(folder: string, tls: TestTls, more: Readonly<Record<string, unknown>> = {}): Promise<Synapse> {
    const [clientPort, federationPort] = (await freePorts(2)) as [number, number]
    const synapse = new Synapse(folder, clientPort, federationPort, tls, more)
    await synapse.start()
    return synapse
  }

  get pid(): number | undefined {
    return this.child?.pid
  }

  async start(): Promise<void> {
    const child = spawn(python, ['-m', 'synapse.app.homeserver', '-c', join(this.folder, 'homeserver.yaml')], {
      cwd: this.folder,
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    this.child = child
    const log = createWriteStream(join(this.folder, 'output.log'), { flags: 'a' })
    child.stdout.pipe(log, { end: false })
    child.stderr.pipe(log, { end: false })
    for (let i = 0; i < 400; i++) {
      if (child.exitCode !== null)
        throw new Error(
          `Synapse ended at its start:\n${readFileSync(join(this.folder, 'output.log'), 'utf8').slice(-3000)}`,
        )
      if (
        await fetch(`${this.clientUrl}/_matrix/client/versions`).then(
          (answer) => answer.ok,
          () => false,
        )
      )
        return
      await pause(100)
    }
    throw new Error('Synapse does not answer')
  }

  async stop(): Promise<void> {
    const child = this.child
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
    const ended = new Promise((done) => child.once('exit', done))
    child.kill('SIGKILL')
    await ended
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }
}
