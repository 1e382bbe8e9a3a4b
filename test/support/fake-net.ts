import { NetError, type Clock, type Net, type NetHead, type NetRequest } from '../../src/util/ports.ts'
import type { Dns, SrvRecord } from '../../src/util/dns.ts'

async function* whole(body: Uint8Array): AsyncGenerator<Uint8Array> {
  yield body
}

/** Answers one request; throws NetError for a failure of the network. */
export type Handler = (request: Request) => Promise<Response> | Response

/** What the network does to requests between two hosts. */
export interface Fault {
  /** every request waits so long, by the network's clock */
  readonly delayMs?: number
  /** `refuse`: no connection; `hang`: no answer until the deadline; `lose-answer`: it arrives, the answer does not */
  readonly cut?: 'refuse' | 'hang' | 'lose-answer'
}

/** A network in this process: hosts by name, with faults between them, in the time of one clock. */
export class FakeNetwork {
  readonly #clock: Clock
  readonly #hosts = new Map<string, Handler>()
  readonly #faults = new Map<string, Fault>()
  readonly srv = new Map<string, SrvRecord[]>()
  /** every request that was sent: `a.test -> PUT https://b.test/…` */
  readonly log: string[] = []

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Puts a host on the network; its name as in URLs and `Host` headers, with its port where that is written. */
  add(host: string, handler: Handler): void {
    this.#hosts.set(host, handler)
  }

  remove(host: string): void {
    this.#hosts.delete(host)
  }

  /** Sets what happens to requests from one host (`*`: any) to another. */
  setFault(from: string, to: string, fault: Fault | undefined): void {
    if (fault === undefined) this.#faults.delete(`${from} ${to}`)
    else this.#faults.set(`${from} ${to}`, fault)
  }

  /** Cuts two hosts from each other, both ways. */
  cut(a: string, b: string, how: Fault['cut'] = 'refuse'): void {
    this.setFault(a, b, { cut: how })
    this.setFault(b, a, { cut: how })
  }

  /** Ends every fault. */
  heal(): void {
    this.#faults.clear()
  }

  /** DNS of this network: SRV records from `srv`, no addresses. */
  get dns(): Dns {
    const none = () => Promise.reject(new Error('no addresses here'))
    return { srv: async (name) => this.srv.get(name) ?? [], addresses: none, configuredAddresses: none }
  }

  /** The network as one host sees it. */
  netFor(from: string): Net {
    const request = async (made: NetRequest) => {
      const { response, url } = await this.#exchange(from, made)
      const body = new Uint8Array(await response.arrayBuffer())
      if (body.length > made.maxBytes) throw new NetError('too-large', 'the answer is too large')
      return { ...headOf(response, url), body }
    }
    return {
      request,
      stream: async (made) => {
        const { body, ...head } = await request(made)
        return { ...head, body: whole(body) }
      },
      close: async () => {},
    }
  }

  async #exchange(from: string, made: NetRequest): Promise<{ response: Response; url: string }> {
    const deadline = new AbortController()
    const signal = made.signal === undefined ? deadline.signal : AbortSignal.any([deadline.signal, made.signal])
    const stop = this.#clock.setTimer(made.deadlineMs, () =>
      deadline.abort(new NetError('timeout', 'the whole call took too long')),
    )
    const aborted = new Promise<never>((_, reject) => {
      const fail = () => reject(signal.reason instanceof NetError ? signal.reason : new NetError('aborted', 'given up'))
      if (signal.aborted) fail()
      signal.addEventListener('abort', fail, { once: true })
    })
    aborted.catch(() => {})
    try {
      return await Promise.race([aborted, this.#follow(from, made)])
    } finally {
      stop()
    }
  }

  async #follow(from: string, made: NetRequest): Promise<{ response: Response; url: string }> {
    let url = made.url
    for (let left = made.redirects ?? 0; ; left--) {
      const response = await this.#deliver(from, made, url)
      const location = response.headers.get('location')
      if (made.redirects === undefined || response.status < 300 || response.status > 399 || location === null)
        return { response, url }
      if (left <= 0) throw new NetError('protocol', 'too many redirects')
      url = new URL(location, url).href
    }
  }

  async #deliver(from: string, made: NetRequest, url: string): Promise<Response> {
    const { host } = new URL(url)
    const fault = this.#faults.get(`${from} ${host}`) ?? this.#faults.get(`* ${host}`)
    this.log.push(`${from} -> ${made.method} ${url}`)
    if (fault?.delayMs !== undefined) await this.#clock.sleep(fault.delayMs)
    if (fault?.cut === 'refuse') throw new NetError('connect', 'refused')
    if (fault?.cut === 'hang') await new Promise(() => {})
    const handler = this.#hosts.get(host)
    if (handler === undefined) throw new NetError('resolve', 'no such host')
    const body = made.body === undefined ? null : typeof made.body === 'string' ? made.body : Buffer.from(made.body)
    const headers = { ...made.headers }
    const response = await handler(new Request(url, { method: made.method, headers, body }))
    if (fault?.cut === 'lose-answer') await new Promise(() => {})
    return response
  }
}

function headOf(response: Response, url: string): NetHead {
  return { status: response.status, headers: Object.fromEntries(response.headers), url }
}
