import { connect, createServer } from 'node:net'
import type { Socket } from 'node:net'

// the protocol's simple query `commit`: type, length with itself, text, NUL
const commitMessage = Buffer.from('Q\0\0\0\x0bcommit\0', 'latin1')

/** Where to cut a connection that commits: before the database hears of it, or after it has, before the answer. */
export type Cut = 'before' | 'after'

/** A TCP proxy before PostgreSQL that cuts connections around their COMMIT, as `choose` says. */
export class CuttingProxy {
  /** how often it was cut, by place */
  readonly cuts: Record<Cut, number> = { before: 0, after: 0 }
  /** asked at every COMMIT */
  choose: () => Cut | undefined = () => undefined
  readonly #server = createServer((client) => this.#serve(client))
  readonly #target: URL
  readonly #sockets = new Set<Socket>()

  private constructor(target: URL) {
    this.#target = target
  }

  /** Listens on loopback; the URL is the target's with another port. */
  static async start(target: string): Promise<CuttingProxy> {
    const proxy = new CuttingProxy(new URL(target))
    await new Promise<void>((done) => proxy.#server.listen(0, '127.0.0.1', done))
    return proxy
  }

  get url(): string {
    const url = new URL(this.#target)
    url.port = String((this.#server.address() as { port: number }).port)
    return url.href
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy()
    await new Promise((done) => this.#server.close(done))
  }

  #serve(client: Socket): void {
    const server = connect(Number(this.#target.port), this.#target.hostname)
    let isMute = false
    for (const socket of [client, server]) {
      this.#sockets.add(socket)
      socket.setNoDelay(true)
      socket.on('error', () => {})
      socket.on('close', () => {
        this.#sockets.delete(socket)
        client.destroy()
        server.destroy()
      })
    }
    client.on('data', (bytes) => {
      const cut = bytes.includes(commitMessage) ? this.choose() : undefined
      if (cut !== undefined) this.cuts[cut]++
      if (cut === 'before') {
        client.destroy()
        return
      }
      if (cut === 'after') isMute = true
      server.write(bytes)
    })
    server.on('data', (bytes) => {
      if (isMute) client.destroy()
      else client.write(bytes)
    })
  }
}
