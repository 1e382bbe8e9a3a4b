import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ApiClient } from './api-client.ts'
import { Canaries } from './canaries.ts'
import { LetheProcess } from './lethe-process.ts'
import { liveLife } from './life.ts'
import type { Cast, Life } from './life.ts'
import { checkpoint, clusterFolder, testDatabase } from './postgres-database.ts'
import { Synapse } from './synapse.ts'
import { makeTls } from './tls.ts'

/** The erasure section in which nothing waits. */
export const atOnce = (mode: 'redact' | 'forget') => ({
  mode,
  delay: '0s',
  rewrite: { every: '0s' },
  rates: { per_room: '1000/s', total: '1000/s' },
  inbound: { enabled: true, quarantine: '0s' },
})

/** What moves the clock of a process by this much (`+31d`), by its environment; undefined where faketime is missing. */
export function movedClock(by: string): Record<string, string> | undefined {
  // the program itself would stay as a parent and take the signals that are meant for the server
  const { status, stdout } = spawnSync('faketime', ['-f', by, 'printenv', 'LD_PRELOAD'], { encoding: 'utf8' })
  if (status === 0) return { LD_PRELOAD: stdout.trim(), FAKETIME: by, FAKETIME_DONT_FAKE_MONOTONIC: '1' }
  if (process.env['LETHE_REQUIRE_INTEROP'] !== undefined)
    throw new Error('faketime is missing: apt-get install faketime')
  return undefined
}

/** Why PostgreSQL cannot be tested here, or undefined where it can. */
export function postgresMissing(): string | undefined {
  if (process.env['LETHE_TEST_POSTGRES'] !== undefined) return undefined
  const reason = 'LETHE_TEST_POSTGRES is not set: node test/support/postgres.mjs start FOLDER prints it'
  if (process.env['LETHE_REQUIRE_INTEROP'] !== undefined) throw new Error(reason)
  return reason
}

/** Alice's server, a second Lethe, perhaps a Synapse, and alice's life on all of them. */
export interface PrivacyWorld extends AsyncDisposable {
  readonly folder: string
  readonly canaries: Canaries
  readonly home: LetheProcess
  readonly peerServer: LetheProcess
  readonly synapse: Synapse | undefined
  readonly cast: Cast
  /** joins after everything was written */
  readonly carol: ApiClient
  readonly life: Life
  /** the folders in which alice's server leaves bytes */
  readonly places: readonly string[]
  /** those of the second Lethe */
  readonly peerPlaces: readonly string[]
  /** Has the database write down what it holds in memory. */
  flush(): Promise<void>
}

/** Starts the servers, and lets alice live. */
export async function startPrivacyWorld(options: {
  mode: 'redact' | 'forget'
  engine: 'sqlite' | 'postgres'
  synapse: boolean
  logging?: Record<string, unknown>
}): Promise<PrivacyWorld> {
  const folder = mkdtempSync(join(tmpdir(), 'lethe-privacy-'))
  const servers: { stop(): Promise<unknown> }[] = []
  const dispose = async () => {
    await Promise.all(servers.map((server) => server.stop()))
    if (process.env['LETHE_TEST_KEEP'] === undefined) rmSync(folder, { recursive: true, force: true })
    else console.log(`kept: ${folder}`)
  }
  try {
    const tls = makeTls(folder)
    const postgres = process.env['LETHE_TEST_POSTGRES']
    const databaseOf = async () =>
      options.engine === 'postgres' && postgres !== undefined ? testDatabase(postgres) : undefined
    const [postgresUrl, peerUrl] = [await databaseOf(), await databaseOf()]
    const [home, peerServer, synapse] = await Promise.all([
      LetheProcess.prepare({
        folder: join(folder, 'home'),
        tls,
        config: { erasure: atOnce(options.mode), logging: { level: 'debug', ...options.logging } },
        ...(postgresUrl === undefined ? {} : { postgresUrl }),
      }),
      LetheProcess.prepare({
        folder: join(folder, 'peer'),
        tls,
        config: { erasure: atOnce('redact'), logging: { level: 'debug' } },
        ...(peerUrl === undefined ? {} : { postgresUrl: peerUrl }),
      }),
      options.synapse ? Synapse.start(join(folder, 'synapse'), tls) : undefined,
    ])
    servers.push(
      { stop: () => home.stop('SIGKILL') },
      { stop: () => peerServer.stop('SIGKILL') },
      ...(synapse === undefined ? [] : [synapse]),
    )
    await Promise.all([home.start(), peerServer.start()])
    const on = (server: { clientUrl: string }, name: string) => new ApiClient(server.clientUrl).register(name)
    const [bob, dave, erin, carol, peer, sam] = await Promise.all([
      on(home, 'bob'),
      on(home, 'dave'),
      on(home, 'erin'),
      on(home, 'carol'),
      on(peerServer, 'bob'),
      synapse === undefined ? undefined : on(synapse, 'sam'),
    ])
    const cast: Cast = { bob, dave, erin, peer, sam }
    const canaries = new Canaries()
    const life = await liveLife(canaries, home.clientUrl, home.name, cast)
    for (const room of [life.rooms.shared, life.rooms.old]) await carol.join(room)
    const cluster = postgresUrl === undefined ? [] : [await clusterFolder(postgresUrl)]
    const places = [join(folder, 'home'), ...cluster]
    const peerPlaces = [join(folder, 'peer'), ...cluster]
    const flush = async () => (postgresUrl === undefined ? undefined : checkpoint(postgresUrl))
    return {
      folder,
      canaries,
      home,
      peerServer,
      synapse,
      cast,
      carol,
      life,
      places,
      peerPlaces,
      flush,
      [Symbol.asyncDispose]: dispose,
    }
  } catch (error) {
    for (const name of ['home', 'peer']) console.error(`--- ${name}\n${logTail(join(folder, name))}`)
    await dispose()
    throw error
  }
}

function logTail(folder: string): string {
  const { stdout } = spawnSync('tail', ['-n', '15', join(folder, 'server.log')], { encoding: 'utf8' })
  return stdout
}

/** Alice erases herself, as a client does it. Gives the receipt. */
export async function eraseHerself({ alice, password }: Life): Promise<string> {
  const answer = await alice.confirmed<Record<string, string>>(
    'POST',
    '/_matrix/client/v3/account/deactivate',
    { erase: true },
    password,
  )
  return answer['org.lethe.erasure_receipt'] as string
}
