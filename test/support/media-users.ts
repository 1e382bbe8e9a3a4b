import type { RoomsWorld } from './rooms-world.ts'
import type { Reply } from './reply.ts'

/** An answer of the media repository. */
export interface MediaAnswer {
  readonly status: number
  readonly headers: Headers
  readonly bytes: Buffer
  readonly json: Reply
}

/** A user who uploads and downloads. Paths begin after `/_matrix`. */
export class MediaUser {
  readonly id: string
  readonly #world: RoomsWorld
  readonly #server: string
  readonly #token: string | undefined

  constructor(world: RoomsWorld, server: string, id: string, token: string | undefined) {
    this.#world = world
    this.#server = server
    this.id = id
    this.#token = token
  }

  static async register(world: RoomsWorld, server: string, localpart: string): Promise<MediaUser> {
    const nobody = new MediaUser(world, server, '', undefined)
    const body = { username: localpart, password: 'correct horse', auth: { type: 'm.login.dummy' } }
    const { json } = await nobody.call('POST', '/client/v3/register', body)
    return new MediaUser(world, server, json.user_id, json.access_token)
  }

  /** Somebody without an account. */
  static nobody(world: RoomsWorld, server: string): MediaUser {
    return new MediaUser(world, server, '', undefined)
  }

  /** Any request; an object is sent as JSON, bytes as they are. */
  async call(method: string, path: string, body?: object, type?: string): Promise<MediaAnswer> {
    const isBytes = body instanceof Uint8Array
    const headers = {
      ...(this.#token === undefined ? {} : { authorization: `Bearer ${this.#token}` }),
      ...(isBytes && type === undefined ? {} : { 'content-type': type ?? 'application/json' }),
    }
    const sent = body === undefined ? null : isBytes ? (body as Uint8Array<ArrayBuffer>) : JSON.stringify(body)
    const request = new Request(`https://${this.#server}/_matrix${path}`, { method, headers, body: sent })
    const answer = await this.#world.server(this.#server).fetch(request)
    const bytes = Buffer.from(await answer.arrayBuffer())
    const isJson = answer.headers.get('content-type') === 'application/json'
    return {
      status: answer.status,
      headers: answer.headers,
      bytes,
      json: isJson ? JSON.parse(bytes.toString()) : undefined,
    }
  }

  /** As `call`, and fails unless the answer is 200. Returns its JSON. */
  async ok(method: string, path: string, body?: object): Promise<MediaAnswer['json']> {
    const answer = await this.call(method, path, body)
    if (answer.status !== 200) throw new Error(`${method} ${path}: ${answer.status} ${answer.bytes.toString()}`)
    return answer.json
  }

  /** Uploads a file. Returns its mxc URI. */
  async upload(bytes: Uint8Array, { type = 'image/png', name = '' } = {}): Promise<string> {
    const query = name === '' ? '' : `?filename=${encodeURIComponent(name)}`
    const answer = await this.call('POST', `/media/v3/upload${query}`, bytes, type)
    if (answer.status !== 200) throw new Error(`upload: ${answer.status} ${answer.bytes.toString()}`)
    return answer.json.content_uri
  }

  download(mxc: string, more = ''): Promise<MediaAnswer> {
    return this.call('GET', `/client/v1/media/download/${mxc.slice(6)}${more}`)
  }

  thumbnail(mxc: string, width: number, height: number, method = 'scale', more = ''): Promise<MediaAnswer> {
    const query = `width=${width}&height=${height}&method=${method}${more}`
    return this.call('GET', `/client/v1/media/thumbnail/${mxc.slice(6)}?${query}`)
  }

  /** Sends a picture to a room. Returns the event's id. */
  async show(roomId: string, mxc: string): Promise<string> {
    const txn = `${Math.floor(performance.now() * 1000)}`
    const path = `/client/v3/rooms/${encodeURIComponent(roomId)}/send/m.room.message/${txn}`
    return (await this.ok('PUT', path, { msgtype: 'm.image', body: 'a picture', url: mxc })).event_id
  }
}
