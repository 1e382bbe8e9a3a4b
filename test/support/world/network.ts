import { NetError, type Net, type NetRequest } from '../../../src/util/ports.ts'
import type { Answer as Reply } from '../../../src/http/answer.ts'
import type { Call } from '../../../src/http/call.ts'
import type { Dns } from '../../../src/util/dns.ts'
import { bytesOf, plainCall } from './plain-call.ts'
import type { Seeded } from './seeded.ts'
import type { WorldTime } from './time.ts'

/** A host on the network. */
export interface Host {
  readonly name: string
  /** changes with each start; undefined while it is down */
  incarnation(): object | undefined
  answer(call: Call): Promise<Reply>
}

/** How requests fare on the way; probabilities from 0 to 1. */
export interface Weather {
  /** each way, in ms */
  readonly delayMs: readonly [least: number, most: number]
  readonly loseRequest: number
  readonly loseAnswer: number
  /** the request arrives once more, later */
  readonly duplicate: number
  /** a long delay, longer than the deadlines at times */
  readonly slow: number
}

export const fair: Weather = { delayMs: [1, 5], loseRequest: 0, loseAnswer: 0, duplicate: 0, slow: 0 }

/** What one start of a host sends by. */
export interface HostNet extends Net {
  /** every request fails, also those under way */
  sever(): void
  /** no request has an answer any more, not even an error */
  abandon(): void
}

type Answer = Awaited<ReturnType<Net['request']>>

/** The network of a world. Whatever happens to a request is drawn from the seed when it is sent. */
export class WorldNetwork {
  readonly #time: WorldTime
  readonly #random: Seeded
  readonly #hosts = new Map<string, Host>()
  readonly #cuts = new Map<string, 'refuse' | 'hang'>()
  readonly #slowHosts = new Set<string>()
  readonly log: string[] = []
  weather: Weather = fair
  /** answers some requests in the place of their hosts */
  answerFor: (request: { readonly url: string }) => Reply | undefined = () => undefined
  underway = 0

  constructor(time: WorldTime, random: Seeded) {
    this.#time = time
    this.#random = random
  }

  add(host: Host): void {
    this.#hosts.set(host.name, host)
  }

  /** Cuts two hosts from each other, one way or both. */
  cut(a: string, b: string, how: 'refuse' | 'hang', isOneWay = false): void {
    this.#cuts.set(`${a} ${b}`, how)
    if (!isOneWay) this.#cuts.set(`${b} ${a}`, how)
  }

  /** What reaches this host takes seconds. */
  slow(host: string): void {
    this.#slowHosts.add(host)
  }

  /** Mends every cut. */
  mend(): void {
    this.#cuts.clear()
    this.#slowHosts.clear()
  }

  get dns(): Dns {
    const none = () => Promise.reject(new Error('no addresses here'))
    return { srv: async () => [], addresses: none, configuredAddresses: none }
  }

  /** The network as one start of a host sees it: when that has ended, nothing comes back any more. */
  netFor(from: Host, incarnation: object): HostNet {
    const pending = new Map<(error: NetError) => void, () => void>()
    let isSevered = false
    const request = (made: NetRequest) =>
      new Promise<Answer>((resolve, reject) => {
        if (isSevered) return reject(new NetError('connect', 'severed'))
        this.underway++
        let isOpen = true
        const giveUp = () => fail(new NetError('aborted', 'given up'))
        const close = () => {
          if (isOpen) this.underway--
          isOpen = false
          stop()
          made.signal?.removeEventListener('abort', giveUp)
        }
        pending.set(reject, close)
        const fail = (error: NetError) => {
          close()
          pending.delete(reject)
          reject(error)
        }
        const deadline = Math.min(made.deadlineMs, made.firstByteMs ?? made.deadlineMs)
        const stop = this.#time.after(deadline, () => fail(new NetError('timeout', 'no answer in time')), incarnation)
        made.signal?.addEventListener('abort', giveUp, { once: true })
        if (made.signal?.aborted === true) return giveUp()
        this.#send(
          from,
          made,
          (answer) => {
            if (!isOpen) return
            close()
            pending.delete(reject)
            resolve(answer)
          },
          fail,
        )
        return undefined
      })
    return {
      request,
      stream: async (made) => {
        const { body, ...head } = await request(made)
        return { ...head, body: whole(body) }
      },
      close: async () => {},
      sever: () => {
        isSevered = true
        for (const [reject, close] of pending) {
          close()
          reject(new NetError('connect', 'severed'))
        }
        pending.clear()
      },
      abandon: () => {
        for (const close of pending.values()) close()
      },
    }
  }

  #delay(host: string): number {
    const random = this.#random
    const [least, most] = this.weather.delayMs
    if (this.#slowHosts.has(host)) return random.between(1_000, 12_000)
    return random.chance(this.weather.slow) ? random.between(2_000, 70_000) : random.between(least, most)
  }

  #send(from: Host, made: NetRequest, done: (answer: Answer) => void, fail: (error: NetError) => void): void {
    const { host } = new URL(made.url)
    const random = this.#random
    const { loseRequest, loseAnswer, duplicate } = this.weather
    const isLost = random.chance(loseRequest)
    const isAnswerLost = random.chance(loseAnswer)
    const thereMs = this.#delay(host)
    const backMs = this.#delay(from.name)
    const againMs = random.chance(duplicate) ? this.#delay(host) + random.between(0, 3_000) : undefined
    this.log.push(`${this.#time.nowMs} ${from.name} -> ${made.method} ${made.url}${isLost ? ' (lost)' : ''}`)
    if (isLost) return
    const arrive = (back: boolean) => {
      const cut = this.#cuts.get(`${from.name} ${host}`)
      const to = this.#hosts.get(host)
      const incarnation = to?.incarnation()
      if (cut === 'hang') return
      if (cut === 'refuse' || to === undefined || incarnation === undefined) {
        if (back) this.#time.after(1, () => fail(new NetError('connect', 'refused')))
        return
      }
      const { url } = made
      const given = this.answerFor({ url })
      void (given === undefined ? to.answer(plainCall(made)) : Promise.resolve(given))
        .then(async (answer) => ({
          status: answer.status,
          headers: answer.headers,
          url,
          body: await bytesOf(answer),
        }))
        .then((answer) => {
          if (!back || isAnswerLost || this.#cuts.has(`${host} ${from.name}`)) return
          // what a server had not written when it died is a broken connection
          if (to.incarnation() !== incarnation)
            return void this.#time.after(1, () => fail(new NetError('protocol', 'reset')))
          if (answer.body.length > made.maxBytes) return fail(new NetError('too-large', 'the answer is too large'))
          this.#time.after(backMs, () => done(answer))
        })
    }
    this.#time.after(thereMs, () => arrive(true))
    if (againMs !== undefined) this.#time.after(thereMs + againMs, () => arrive(false))
  }
}

async function* whole(body: Uint8Array): AsyncGenerator<Uint8Array> {
  yield body
}
