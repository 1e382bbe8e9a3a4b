import { mount } from './http/mount.ts'
import type { App } from './http/mount.ts'
import type { Deps } from './http/deps.ts'
import { allEndpoints } from './http/routes.ts'
import { compose } from './server/compose.ts'
import type { ComposeOptions } from './server/compose.ts'
import type { Ports } from './server/ports.ts'
import { listen } from './server/listener.ts'
import type { Listener } from './server/listener.ts'
import { removeOperatorFile, writeOperatorFile } from './server/operator-file.ts'
import type { Config, ListenerConfig, Resource } from './util/config.ts'

/** A server at work. */
export interface RunningServer {
  readonly deps: Deps
  /** every endpoint, for calls without a socket */
  readonly app: App
  readonly listeners: readonly Listener[]
  /** Ends long polls, answers what is begun, then closes everything. */
  stop(): Promise<void>
}

const answersEndMs = 4_000

/** The HTTP side of a server, for some kinds of endpoints or all. */
export function createApp(deps: Deps, resources?: readonly Resource[]): App {
  const isServed = (offered: readonly Resource[]) =>
    deps.config.federation.enabled || offered.some((one) => one !== 'federation')
  return mount(
    deps,
    allEndpoints.filter(({ resources: offered }) => isServed(offered)),
    resources,
  )
}

/**
 * Starts a server: secrets, database, caches, background work, then the listeners. Without listeners in the configuration
 * it is used through `app`. Throws where anything of that fails, and leaves nothing behind.
 */
export async function startServer(
  config: Config,
  ports: Partial<Ports> = {},
  options: ComposeOptions = {},
): Promise<RunningServer> {
  const composed = await compose(config, ports, options)
  const { deps } = composed
  const listeners: Listener[] = []
  const stop = async () => {
    composed.beginStop()
    await Promise.all(listeners.map((listener) => listener.close(answersEndMs)))
    removeOperatorFile(config.dataDir, process.pid)
    await composed.close()
  }
  const open = async (wanted: readonly ListenerConfig[]) => {
    for (const listener of wanted) {
      listeners.push(await listen(listener, createApp(deps, listener.resources), deps.clock))
    }
  }
  try {
    await composed.start()
    // The command line must find the admin listener as soon as the server looks ready.
    await open(config.listeners.filter(isAdmin))
    if (config.listeners.length > 0) await writeOperatorFile(config.dataDir, operatorFile(deps, listeners))
    await open(config.listeners.filter((listener) => !isAdmin(listener)))
  } catch (error) {
    await stop()
    throw error
  }
  return { deps, app: createApp(deps), listeners, stop }
}

const isAdmin = ({ resources, tls }: ListenerConfig) => resources.includes('admin') && tls === null

function operatorFile(
  { operatorToken }: Deps,
  listeners: readonly Listener[],
): Parameters<typeof writeOperatorFile>[1] {
  const admin = listeners.find(({ config }) => isAdmin(config))
  const url = admin?.url.replace('//0.0.0.0:', '//127.0.0.1:').replace('//[::]:', '//[::1]:') ?? null
  return { url, token: operatorToken, pid: process.pid }
}
