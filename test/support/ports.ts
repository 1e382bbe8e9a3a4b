import { createServer } from 'node:net'
import type { Server } from 'node:net'

/**
 * Ports of the loopback address that were free a moment ago. They are none that the system gives to outgoing connections
 * or to listeners without a port of their own, so that hardly anybody takes them before the program that they are for.
 */
export async function freePorts(count: number): Promise<number[]> {
  const servers: Server[] = []
  while (servers.length < count) {
    const server = await listen(10_000 + Math.floor(Math.random() * 20_000))
    if (server !== undefined) servers.push(server)
  }
  const ports = servers.map((server) => (server.address() as { port: number }).port)
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))))
  return ports
}

/** A listener at a port; undefined where there is one already. */
function listen(port: number): Promise<Server | undefined> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', (error: NodeJS.ErrnoException) =>
      error.code === 'EADDRINUSE' || error.code === 'EACCES' ? resolve(undefined) : reject(error),
    )
    server.listen(port, '127.0.0.1', () => resolve(server))
  })
}
