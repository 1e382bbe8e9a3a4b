/** An answer of the client-server API that was not 2xx. */
export class ApiError extends Error {
  readonly status: number
  readonly body: Readonly<Record<string, unknown>>
  constructor(method: string, path: string, status: number, body: Record<string, unknown>) {
    super(`${method} ${path}: ${status} ${JSON.stringify(body)}`)
    this.status = status
    this.body = body
  }
}

type Body = Record<string, unknown>

/** As `fetch`. Where the server closed a kept connection just when it was used again, a GET is sent once more, as clients do. */
async function ask(url: string, init: RequestInit): Promise<Response> {
  try {
    return await fetch(url, init)
  } catch (error) {
    const cause = error instanceof Error ? (error.cause as { code?: string } | undefined) : undefined
    if ((init.method ?? 'GET') !== 'GET' || cause?.code !== 'UND_ERR_SOCKET') throw error
    return fetch(url, init)
  }
}

/** A small client of the client-server API over real sockets, for Lethe and any other homeserver. */
export class ApiClient {
  readonly baseUrl: string
  token: string | undefined
  userId = ''
  deviceId = ''
  /** sent with every request */
  readonly headers: Record<string, string> = {}
  private transactions = 0

  constructor(baseUrl: string) {
    this.baseUrl = baseUrl
  }

  /** Any request with a JSON body and a JSON answer; throws ApiError where the status is not 2xx. */
  async call<T = Body>(method: string, path: string, body?: unknown): Promise<T> {
    const answer = await ask(this.baseUrl + path, {
      method,
      headers: {
        ...this.headers,
        ...(this.token === undefined ? {} : { authorization: `Bearer ${this.token}` }),
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
    const text = await answer.text()
    const parsed = text === '' ? {} : (JSON.parse(text) as Body)
    if (!answer.ok) throw new ApiError(method, path, answer.status, parsed)
    return parsed as T
  }

  /** Any request with any body; its answer as it came, whatever the status. */
  async answer(
    method: string,
    path: string,
    body?: string | Uint8Array,
    headers: Record<string, string> = {},
  ): Promise<{ status: number; text: string; headers: Headers }> {
    const answer = await ask(this.baseUrl + path, {
      method,
      headers: {
        ...this.headers,
        ...(this.token === undefined ? {} : { authorization: `Bearer ${this.token}` }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: body as string | Uint8Array<ArrayBuffer> }),
    })
    return { status: answer.status, text: await answer.text(), headers: answer.headers }
  }

  /** A request that asks to prove by password who one is. */
  async confirmed<T = Body>(method: string, path: string, body: Body, password: string): Promise<T> {
    const first = await this.call<Body>(method, path, body).catch((error: unknown) => {
      if (error instanceof ApiError && error.status === 401 && 'session' in error.body) return error.body
      throw error
    })
    const auth = {
      type: 'm.login.password',
      identifier: { type: 'm.id.user', user: this.userId },
      password,
      session: first['session'],
    }
    return this.call<T>(method, path, { ...body, auth })
  }

  /** Registers by the dummy stage and logs in. */
  async register(username: string, password = 'correct horse battery', deviceName = 'test'): Promise<this> {
    const body = { username, password, initial_device_display_name: deviceName }
    const first = await this.call<Body>('POST', '/_matrix/client/v3/register', body).catch((error: unknown) => {
      if (error instanceof ApiError && error.status === 401) return error.body
      throw error
    })
    const done =
      'access_token' in first
        ? first
        : await this.call<Body>('POST', '/_matrix/client/v3/register', {
            ...body,
            auth: { type: 'm.login.dummy', session: first['session'] },
          })
    return this.use(done)
  }

  async login(username: string, password = 'correct horse battery', more: Body = {}): Promise<this> {
    return this.use(
      await this.call('POST', '/_matrix/client/v3/login', {
        type: 'm.login.password',
        identifier: { type: 'm.id.user', user: username },
        password,
        ...more,
      }),
    )
  }

  private use(answer: Body): this {
    this.token = answer['access_token'] as string
    this.userId = answer['user_id'] as string
    this.deviceId = answer['device_id'] as string
    return this
  }

  async createRoom(options: Body = {}): Promise<string> {
    return (await this.call<{ room_id: string }>('POST', '/_matrix/client/v3/createRoom', options)).room_id
  }

  async join(room: string, via?: string): Promise<string> {
    const query = via === undefined ? '' : `?server_name=${encodeURIComponent(via)}&via=${encodeURIComponent(via)}`
    return (
      await this.call<{ room_id: string }>('POST', `/_matrix/client/v3/join/${encodeURIComponent(room)}${query}`, {})
    ).room_id
  }

  async act(room: string, action: string, body: Body = {}): Promise<Body> {
    return this.call('POST', `/_matrix/client/v3/rooms/${encodeURIComponent(room)}/${action}`, body)
  }

  async send(room: string, content: Body | string, type = 'm.room.message'): Promise<string> {
    const body = typeof content === 'string' ? { msgtype: 'm.text', body: content } : content
    const path = `/_matrix/client/v3/rooms/${encodeURIComponent(room)}/send/${type}/t${Date.now()}.${this.transactions++}`
    return (await this.call<{ event_id: string }>('PUT', path, body)).event_id
  }

  async redact(room: string, eventId: string, reason?: string): Promise<string> {
    const path = `/_matrix/client/v3/rooms/${encodeURIComponent(room)}/redact/${encodeURIComponent(eventId)}/r${this.transactions++}`
    return (await this.call<{ event_id: string }>('PUT', path, reason === undefined ? {} : { reason })).event_id
  }

  async setState(room: string, type: string, content: Body, key = ''): Promise<string> {
    const path = `/_matrix/client/v3/rooms/${encodeURIComponent(room)}/state/${type}/${encodeURIComponent(key)}`
    return (await this.call<{ event_id: string }>('PUT', path, content)).event_id
  }

  /** The whole current state. */
  async state(room: string): Promise<Body[]> {
    return this.call<Body[]>('GET', `/_matrix/client/v3/rooms/${encodeURIComponent(room)}/state`)
  }

  async event(room: string, eventId: string): Promise<Body> {
    return this.call('GET', `/_matrix/client/v3/rooms/${encodeURIComponent(room)}/event/${encodeURIComponent(eventId)}`)
  }

  /** All events of the room that the user may see, newest first, page by page (at most `pages` of 100). */
  async history(room: string, pages = 20): Promise<Body[]> {
    const events: Body[] = []
    let from: string | undefined
    for (let i = 0; i < pages; i++) {
      const query = `dir=b&limit=100${from === undefined ? '' : `&from=${encodeURIComponent(from)}`}`
      const page = await this.call<{ chunk: Body[]; end?: string }>(
        'GET',
        `/_matrix/client/v3/rooms/${encodeURIComponent(room)}/messages?${query}`,
      )
      events.push(...page.chunk)
      if (page.end === undefined) break
      from = page.end
    }
    return events
  }

  async sync(since?: string, timeout = 0): Promise<Body & { next_batch: string }> {
    const query = since === undefined ? `timeout=${timeout}` : `timeout=${timeout}&since=${encodeURIComponent(since)}`
    return this.call('GET', `/_matrix/client/v3/sync?${query}`)
  }

  async upload(bytes: Uint8Array, type: string, filename: string): Promise<string> {
    const answer = await fetch(`${this.baseUrl}/_matrix/media/v3/upload?filename=${encodeURIComponent(filename)}`, {
      method: 'POST',
      headers: { ...this.headers, authorization: `Bearer ${this.token}`, 'content-type': type },
      body: bytes as Uint8Array<ArrayBuffer>,
    })
    const body = (await answer.json()) as Body
    if (!answer.ok) throw new ApiError('POST', '/upload', answer.status, body)
    return body['content_uri'] as string
  }

  /** An authenticated download: status and bytes. */
  async download(mxc: string): Promise<{ status: number; bytes: Uint8Array }> {
    return this.media('download', mxc)
  }

  /** An authenticated thumbnail: status and bytes. */
  async thumbnail(mxc: string, width = 32, height = 32): Promise<{ status: number; bytes: Uint8Array }> {
    return this.media('thumbnail', mxc, `?width=${width}&height=${height}&method=scale`)
  }

  private async media(kind: string, mxc: string, query = ''): Promise<{ status: number; bytes: Uint8Array }> {
    const answer = await ask(`${this.baseUrl}/_matrix/client/v1/media/${kind}/${mxc.replace('mxc://', '')}${query}`, {
      headers: { ...this.headers, authorization: `Bearer ${this.token}` },
    })
    return { status: answer.status, bytes: new Uint8Array(await answer.arrayBuffer()) }
  }
}

/** Asks again every 50 ms until `check` gives something truthy; throws its last error or a time-out after `ms`. */
export async function eventually<T>(
  check: () => Promise<T>,
  ms = 15_000,
  what = 'what was waited for',
): Promise<NonNullable<T>> {
  const end = performance.now() + ms
  let last: unknown
  do {
    try {
      const value = await check()
      if (value) return value
      last = value
    } catch (error) {
      last = error
    }
    await new Promise((resolve) => setTimeout(resolve, 50))
  } while (performance.now() < end)
  throw new Error(`${what} did not happen in ${ms} ms`, { cause: last })
}
