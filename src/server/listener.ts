import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { RequestListener, Server, ServerOptions } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { Server as TlsServer } from 'node:https'
import type { AddressInfo, Socket } from 'node:net'
import { callOfSocket } from '../http/call.ts'
import type { App } from '../http/mount.ts'
import type { ListenerConfig } from '../util/config.ts'
import type { Clock } from '../util/ports.ts'
import { onClientError } from './client-error.ts'
import { writeAnswer } from './write-answer.ts'

/** A socket that is listened on. */
export interface Listener {
  readonly config: ListenerConfig
  /** `http://127.0.0.1:8008`, with the port that was really taken */
  readonly url: string
  readonly port: number
  /** Reads certificate and key again. Throws, and goes on with the old ones, where they are no good. */
  reload(): void
  /** Takes no more connections, and ends those that are left after `graceMs`. */
  close(graceMs: number): Promise<void>
}

// Headers must be there within 10 s; a whole request within 5 minutes (an upload on a slow line); then idle sockets go.
const serverOptions: ServerOptions = {
  headersTimeout: 10_000,
  requestTimeout: 300_000,
  keepAliveTimeout: 75_000,
  connectionsCheckingInterval: 2_000,
  noDelay: true,
}

/** Listens. Throws where the address is taken, or the certificate cannot be read. */
export async function listen(config: ListenerConfig, app: App, clock: Clock): Promise<Listener> {
  const onRequest: RequestListener = (incoming, outgoing) => {
    // A caller who is gone takes nothing with it.
    outgoing.on('error', () => outgoing.destroy())
    void app.answer(callOfSocket(incoming, outgoing)).then((answer) => writeAnswer(outgoing, answer, clock))
  }
  const secure =
    config.tls === null ? undefined : createTlsServer({ ...serverOptions, ...readTls(config.tls) }, onRequest)
  const server: Server | TlsServer = secure ?? createServer(serverOptions, onRequest)
  server.on('clientError', (error, socket) => onClientError(error, socket as Socket))
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(config.port, config.host, resolve)
  })
  server.removeAllListeners('error')
  const { port } = server.address() as AddressInfo
  const host = config.host.includes(':') ? `[${config.host}]` : config.host
  return {
    config,
    url: `${secure ? 'https' : 'http'}://${host}:${port}`,
    port,
    reload() {
      if (secure && config.tls) secure.setSecureContext(readTls(config.tls))
    },
    close: (graceMs) => close(server, graceMs, clock),
  }
}

function readTls({ certFile, keyFile }: NonNullable<ListenerConfig['tls']>): {
  cert: Buffer
  key: Buffer
  minVersion: 'TLSv1.2'
} {
  return { cert: readFileSync(certFile), key: readFileSync(keyFile), minVersion: 'TLSv1.2' }
}

async function close(server: Server | TlsServer, graceMs: number, clock: Clock): Promise<void> {
  let isClosed = false
  const closed = new Promise<void>((resolve) => server.close(() => resolve())).then(() => {
    isClosed = true
  })
  const until = clock.monotonic() + graceMs
  while (!isClosed && clock.monotonic() < until) {
    // Kept-alive connections are idle only once their last answer has left.
    server.closeIdleConnections()
    await Promise.race([closed, clock.sleep(50)])
  }
  server.closeAllConnections()
  await closed
}
