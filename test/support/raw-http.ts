import { connect } from 'node:net'
import type { Socket } from 'node:net'

/**
 * One kept-alive HTTP/1.1 connection that writes prepared requests and reads answers with as little work as possible,
 * so that a benchmark measures the server and not its own client.
 */
export class RawConnection {
  private readonly socket: Socket
  private buffered = Buffer.alloc(0)
  private waiting:
    | { resolve: (answer: { status: number; body: string }) => void; reject: (error: Error) => void }
    | undefined

  private constructor(socket: Socket) {
    this.socket = socket
    socket.setNoDelay(true)
    socket.on('data', (chunk) => {
      this.buffered = this.buffered.length === 0 ? chunk : Buffer.concat([this.buffered, chunk])
      this.deliver()
    })
    socket.on('error', (error) => this.waiting?.reject(error))
    socket.on('close', () => this.waiting?.reject(new Error('connection closed')))
  }

  static open(url: string): Promise<RawConnection> {
    const { hostname, port } = new URL(url)
    return new Promise((resolve, reject) => {
      const socket = connect(Number(port), hostname, () => resolve(new RawConnection(socket)))
      socket.once('error', reject)
    })
  }

  /** Sends a prepared request and resolves with its answer. One at a time. */
  request(prepared: string | Buffer): Promise<{ status: number; body: string }> {
    return new Promise((resolve, reject) => {
      this.waiting = { resolve, reject }
      this.socket.write(prepared)
    })
  }

  close(): void {
    this.socket.destroy()
  }

  private deliver(): void {
    const end = this.buffered.indexOf('\r\n\r\n')
    if (end < 0) return
    const head = this.buffered.toString('latin1', 0, end)
    const length = /\r\ncontent-length: *(\d+)/i.exec(head)
    let from = end + 4
    let to: number
    if (length !== null) {
      to = from + Number(length[1])
      if (this.buffered.length < to) return
    } else {
      const last = this.buffered.indexOf('0\r\n\r\n', from)
      if (last < 0) return
      to = last + 5
      from = this.buffered.indexOf('\r\n', from) + 2
    }
    const body = this.buffered.toString('utf8', from, to)
    this.buffered = this.buffered.subarray(to)
    const { resolve } = this.waiting as NonNullable<typeof this.waiting>
    this.waiting = undefined
    resolve({ status: Number(head.slice(9, 12)), body })
  }
}

/** The bytes of a JSON request with a bearer token. */
export function prepareRequest(method: string, path: string, token: string, body: unknown): Buffer {
  const text = body === undefined ? '' : JSON.stringify(body)
  return Buffer.from(
    `${method} ${path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${token}\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(text)}\r\n\r\n${text}`,
  )
}
