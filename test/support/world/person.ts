import type { UserId } from '../../../src/protocol/ids.ts'
import { bytesOf, plainCall } from './plain-call.ts'
import type { WorldServer } from './server.ts'
import type { WorldTime } from './time.ts'
import type { Reply } from '../reply.ts'

/** An answer of the client-server API. */
export interface Answer {
  readonly status: number
  readonly body: Reply
}

/** Who a user is, as a template keeps it. */
export interface Login {
  readonly id: UserId
  readonly server: string
  readonly token: string
  /** the answer to the first `/sync` */
  readonly synced: Reply
}

/** A user of a server with a client that talks with it over the client-server API. */
export class Person {
  readonly id: UserId
  readonly server: WorldServer
  readonly #time: WorldTime
  token: string | undefined

  constructor(time: WorldTime, server: WorldServer, id: UserId, token?: string) {
    this.#time = time
    this.server = server
    this.id = id
    this.token = token
  }

  /** Any request; the path begins after `/_matrix/client/v3`. Undefined where no answer came: the server died. */
  call(method: string, path: string, body?: unknown): Promise<Answer | undefined> {
    return new Promise((resolve, reject) => {
      const { server } = this
      if (!server.isUp) return resolve(undefined)
      const lost = () => resolve(undefined)
      server.onCrash.add(lost)
      const headers = {
        'content-type': 'application/json',
        ...(this.token === undefined ? {} : { authorization: `Bearer ${this.token}` }),
      }
      const url = `https://${server.name}/_matrix/client/v3${path}`
      const made = { method, url, headers, ...(body === undefined ? {} : { body: JSON.stringify(body) }) }
      const life = server.incarnation()
      const respond = async () => {
        const answer = await server.answer(plainCall(made))
        const json = JSON.parse(Buffer.from(await bytesOf(answer)).toString()) as Reply
        // what a dead server would have said is not heard
        if (server.incarnation() !== life) return
        server.onCrash.delete(lost)
        resolve({ status: answer.status, body: json })
      }
      return void respond().catch(reject)
    })
  }

  /** As `call`, while virtual time runs; throws unless the answer is 200. */
  async ok(method: string, path: string, body?: unknown): Promise<Answer['body']> {
    const answer = await this.#time.until(this.call(method, path, body))
    if (answer?.status !== 200)
      throw new Error(`${this.id} ${method} ${path}: ${answer?.status} ${JSON.stringify(answer?.body)}`)
    return answer.body
  }
}
