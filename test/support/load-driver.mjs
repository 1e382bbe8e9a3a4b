// Puts load on a homeserver from a process of its own: prepared bytes to raw kept-alive sockets, and a reader of answers
// that looks only at status and length. One task as JSON on standard input, its result as JSON on standard output.
import { connect } from 'node:net'

/** One connection, one request at a time. */
class Connection {
  #socket
  #chunks = []
  #size = 0
  #need = -1
  #waiting
  /** when the last answer was there */
  arrivedAt = 0

  constructor(socket) {
    this.#socket = socket
    socket.setNoDelay(true)
    socket.on('data', (chunk) => this.#take(chunk))
    socket.on('error', (error) => this.#waiting?.reject(error))
    socket.on('close', () => this.#waiting?.reject(new Error('the connection was closed')))
  }

  static open(url) {
    const { hostname, port } = new URL(url)
    return new Promise((resolve, reject) => {
      const socket = connect(Number(port), hostname, () => resolve(new Connection(socket)))
      socket.once('error', reject)
    })
  }

  /** The whole answer as bytes, after its status was found to be 200. */
  request(bytes) {
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject }
      this.#socket.write(bytes)
    })
  }

  close() {
    this.#waiting = undefined
    this.#socket.destroy()
  }

  #take(chunk) {
    this.#chunks.push(chunk)
    this.#size += chunk.length
    if (this.#size < this.#need) return
    const all = this.#chunks.length === 1 ? chunk : Buffer.concat(this.#chunks)
    if (!this.#isWhole(all)) {
      this.#chunks = [all]
      return
    }
    this.arrivedAt = performance.now()
    this.#chunks = []
    this.#size = 0
    this.#need = -1
    const waiting = this.#waiting
    this.#waiting = undefined
    if (all.toString('latin1', 9, 12) === '200') waiting?.resolve(all)
    else waiting?.reject(new Error(all.toString('utf8', 0, 2000)))
  }

  #isWhole(all) {
    const end = all.indexOf('\r\n\r\n')
    if (end < 0) return false
    const length = /\r\ncontent-length: *(\d+)/i.exec(all.toString('latin1', 0, end))
    if (length === null) return all.indexOf('\r\n0\r\n\r\n', end) >= 0
    this.#need = end + 4 + Number(length[1])
    return all.length >= this.#need
  }
}

const head = (method, path, token, length) =>
  `${method} ${path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${token}\r\nContent-Type: application/json\r\nContent-Length: ${length}\r\n\r\n`
const get = (path, token) => Buffer.from(head('GET', path, token, 0))

/** A send whose number, eight digits in path and body, can be changed in place. */
function prepareSend({ room, token, label }) {
  const body = JSON.stringify({
    msgtype: 'm.text',
    body: 'message 00000000 of a benchmark that writes ordinary sentences',
  })
  const path = `/_matrix/client/v3/rooms/${encodeURIComponent(room)}/send/m.room.message/${label}-00000000`
  const bytes = Buffer.from(head('PUT', path, token, body.length) + body)
  const places = [bytes.indexOf('-00000000') + 1, bytes.indexOf('message 00000000') + 8]
  return (number) => {
    const digits = String(number).padStart(8, '0')
    for (const place of places) bytes.write(digits, place, 'latin1')
    return bytes
  }
}

function spread(times) {
  const sorted = Float64Array.from(times).toSorted()
  const at = (part) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? 0
  return { count: sorted.length, p50: at(0.5), p90: at(0.9), p99: at(0.99), max: at(1) }
}

const tasks = {
  /** Senders that each wait for their answer: for `seconds` after a second of warming up, or until `total` were sent. */
  async sends({ url, senders, seconds, total = Infinity }) {
    const times = []
    let sent = 0
    const run = async ({ connection, prepared, first }, until, isCounted) => {
      let number = first
      while (performance.now() < until && sent < total) {
        sent++
        const from = performance.now()
        await connection.request(prepared(number++))
        if (isCounted) times.push(performance.now() - from)
      }
      return number
    }
    const all = await Promise.all(
      senders.map(async (sender) => ({
        connection: await Connection.open(url),
        prepared: prepareSend(sender),
        first: 0,
      })),
    )
    if (total === Infinity) {
      const until = performance.now() + 1000
      await Promise.all(all.map(async (one) => (one.first = await run(one, until, false))))
    }
    const from = performance.now()
    await Promise.all(all.map((one) => run(one, from + seconds * 1000, true)))
    const tookMs = performance.now() - from
    for (const { connection } of all) connection.close()
    return { perSecond: times.length / (tookMs / 1000), tookMs, ...spread(times) }
  },

  /**
   * Users that poll, and one sender with a message every `everyMs`: from the write of the send to each user's answer.
   * The times of the first `warmup` messages are given apart, as `first`.
   */
  async wakes({ url, users, sender, everyMs, warmup, count }) {
    const sentAt = []
    const times = []
    const first = []
    const total = warmup + count
    let left = users.length * total
    let hasAll = () => {}
    const everything = new Promise((resolve) => (hasAll = resolve))
    const poll = async ({ token, since }) => {
      const connection = await Connection.open(url)
      let next = since
      let last = -1
      while (last < total - 1) {
        const path = `/_matrix/client/v3/sync?timeout=30000&since=${encodeURIComponent(next)}`
        const text = (await connection.request(get(path, token))).toString('latin1')
        const now = connection.arrivedAt
        // the answers that are there are all seen before this process goes on with any of them
        await new Promise((resolve) => setImmediate(resolve))
        const from = text.indexOf('"', text.indexOf('"next_batch":') + 13) + 1
        next = text.slice(from, text.indexOf('"', from))
        for (let at = text.indexOf('"message '); at >= 0; at = text.indexOf('"message ', at + 17)) {
          const number = Number(text.slice(at + 9, at + 17))
          if (!(number > last)) continue
          last = number
          ;(number < warmup ? first : times).push(now - sentAt[number])
          if (--left === 0) hasAll()
        }
      }
      connection.close()
    }
    const polls = users.map(poll)
    await new Promise((resolve) => setTimeout(resolve, 1500))
    const connection = await Connection.open(url)
    const prepared = prepareSend(sender)
    const begun = performance.now()
    for (let number = 0; number < total; number++) {
      const wait = begun + number * everyMs - performance.now()
      if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait))
      sentAt[number] = performance.now()
      await connection.request(prepared(number))
    }
    const tooLong = new Promise((resolve) => setTimeout(resolve, 120_000).unref())
    await Promise.race([everything, tooLong, ...polls.map((one) => one.then(() => new Promise(() => {})))])
    connection.close()
    return { missing: left, sendingMs: performance.now() - begun, first: spread(first), ...spread(times) }
  },

  /** The same reads again and again on one connection; `paths` in turn. */
  async reads({ url, token, paths, count }) {
    const connection = await Connection.open(url)
    const times = []
    let bytes = 0
    for (let i = 0; i < count; i++) {
      const request = get(paths[i % paths.length], token)
      const from = performance.now()
      bytes = (await connection.request(request)).length
      times.push(performance.now() - from)
    }
    connection.close()
    return { first: times[0], bytes, ...spread(times) }
  },
}

const input = []
for await (const chunk of process.stdin) input.push(chunk)
const { task, ...options } = JSON.parse(Buffer.concat(input).toString('utf8'))
const result = await tasks[task](options)
process.stdout.write(JSON.stringify(result), () => process.exit(0))
