import type { JsonObject } from '../protocol/json-types.ts'
import { readOperatorFile } from '../server/operator-file.ts'
import type { OperatorFile } from '../server/operator-file.ts'
import type { Config } from '../util/config.ts'
import { makeSystemDns } from '../util/dns.ts'
import { createLog } from '../util/log.ts'
import { NetError } from '../util/ports.ts'
import { SystemNet } from '../util/system-net.ts'
import { systemClock } from '../util/system-ports.ts'
import type { Cli } from './cli.ts'
import { CliError } from './cli.ts'

/** Calls an admin endpoint and gives the body of its 200. Throws CliError with the server's reason. */
export type AdminCall = (method: 'GET' | 'POST' | 'PUT' | 'DELETE', path: string, body?: object) => Promise<JsonObject>

/**
 * Lets a command use the admin endpoints: those of the running server where there is one, else in this process, which
 * then has the database to itself for as long as `fn` takes. Throws CliError.
 */
export async function withServer<T>(cli: Cli, fn: (call: AdminCall) => Promise<T>): Promise<T> {
  const { config } = cli.load()
  const file = readOperatorFile(config.dataDir)
  if (file?.url != null && (await isAlive(file))) return fn(remoteCall(file, file.url))
  return inProcess(config, fn)
}

const net = () =>
  new SystemNet({
    extraCa: [],
    userAgent: 'lethe',
    dns: makeSystemDns(),
    clock: systemClock,
    allowPrivateAddresses: true,
  })

async function isAlive(file: OperatorFile): Promise<boolean> {
  try {
    await remoteCall(file, file.url ?? '')('GET', '/_lethe/admin/v1/users?limit=1')
    return true
  } catch (error) {
    if (error instanceof NetError) return false
    // Somebody else listens there now: the token is not theirs.
    if (error instanceof CliError) return false
    throw error
  }
}

function remoteCall({ token }: OperatorFile, url: string): AdminCall {
  return async (method, path, body) => {
    const client = net()
    try {
      const { status, body: bytes } = await client.request({
        url: `${url}${path}`,
        method,
        headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        deadlineMs: 120_000,
        firstByteMs: 120_000,
        maxBytes: 256 * 1024 * 1024,
        guard: 'configured',
      })
      return answerOf(status, Buffer.from(bytes).toString('utf8'))
    } finally {
      await client.close()
    }
  }
}

async function inProcess<T>(config: Config, fn: (call: AdminCall) => Promise<T>): Promise<T> {
  // The whole server takes half a second to load: only where there is none running.
  const { compose } = await import('../server/compose.ts')
  const { mount } = await import('../http/mount.ts')
  const { allEndpoints } = await import('../http/routes.ts')
  const log = createLog({ level: 'warn', sinks: [{ write: (line) => void process.stderr.write(line) }] })
  const composed = await compose(config, { log }).catch((error: unknown) => {
    throw new CliError(error instanceof Error ? error.message : String(error))
  })
  try {
    const app = mount(composed.deps, allEndpoints)
    return await fn(async (method, path, body) => {
      const request = new Request(`http://localhost${path}`, {
        method,
        headers: { authorization: `Bearer ${composed.deps.operatorToken}` },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      })
      const answer = await app.fetch(request)
      return answerOf(answer.status, await answer.text())
    })
  } finally {
    await composed.close()
  }
}

function answerOf(status: number, text: string): JsonObject {
  let body: JsonObject
  try {
    body = JSON.parse(text) as JsonObject
  } catch {
    throw new CliError(`the server answered ${status}`)
  }
  if (status === 200) return body
  throw new CliError(typeof body['error'] === 'string' ? body['error'] : `the server answered ${status}`)
}
