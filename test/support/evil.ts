import { createServer, type Server } from 'node:https'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { canonicalJson } from '../../src/protocol/canonical-json.ts'
import type { ServerName } from '../../src/protocol/ids.ts'
import { parseJson } from '../../src/protocol/json.ts'
import type { Json, JsonObject } from '../../src/protocol/json-types.ts'
import { signEvent, signJson, generateSigningKey, type SigningKey } from '../../src/protocol/sign.ts'
import type { RoomVersion } from '../../src/protocol/room-version.ts'
import { signRequest, type FederationRequest } from '../../src/protocol/x-matrix.ts'
import type { TestTls } from './tls.ts'

/** Answers requests to the hostile server; whatever it returns is sent. */
export type EvilHandler = (request: Request) => Promise<Response | undefined> | Response | undefined

/** What of a signed request is different from what an honest server would send. */
export interface Twist {
  /** signed instead of the body that is sent; null: no content is signed */
  readonly signedBody?: Json | null
  readonly signedUri?: string
  readonly signedMethod?: string
  readonly destination?: ServerName
  readonly origin?: ServerName
  readonly key?: SigningKey
  /** instead of the header made from the above; none: no header at all */
  readonly authorization?: readonly string[]
  /** instead of the JSON of the body */
  readonly rawBody?: string | Uint8Array
}

/**
 * A scripted hostile homeserver with a key of its own. It answers its key document honestly unless a handler says
 * otherwise; everything else is up to the test.
 */
export class EvilServer {
  readonly name: ServerName
  key: SigningKey
  readonly handlers: EvilHandler[] = []
  /** every request that reached it, with its body's text */
  readonly received: {
    readonly method: string
    readonly target: string
    readonly authorization: string | null
    readonly body: string
  }[] = []
  validUntilTs: number
  #server: Server | undefined

  constructor(name: string, nowTs: number) {
    this.name = name as ServerName
    this.key = generateSigningKey((size) => randomBytes(size))
    this.validUntilTs = nowTs + 24 * 3_600_000
  }

  /** Its key document; `more` is laid over it before it is signed. */
  keyDocument(more: JsonObject = {}, key = this.key): JsonObject {
    const document = {
      server_name: this.name,
      valid_until_ts: this.validUntilTs,
      verify_keys: { [key.keyId]: { key: key.publicKey } },
      old_verify_keys: {},
      ...more,
    }
    return signJson(document, this.name, key)
  }

  /** Answers on a FakeNetwork. */
  readonly handle = async (request: Request): Promise<Response> => {
    const url = new URL(request.url)
    const body = await request.clone().text()
    const { method, headers } = request
    this.received.push({ method, target: url.pathname + url.search, authorization: headers.get('authorization'), body })
    for (const handler of this.handlers.toReversed()) {
      const answer = await handler(request.clone())
      if (answer !== undefined) return answer
    }
    if (url.pathname === '/_matrix/key/v2/server') return Response.json(this.keyDocument())
    return Response.json({ errcode: 'M_UNRECOGNIZED', error: 'no' }, { status: 404 })
  }

  /** A request to a server, signed as it should be but for the twist. */
  request(to: ServerName, method: string, target: string, body?: Json, twist: Twist = {}): Request {
    const signedBody = twist.signedBody === undefined ? body : (twist.signedBody ?? undefined)
    const signed: FederationRequest = {
      method: twist.signedMethod ?? method,
      uri: twist.signedUri ?? target,
      origin: twist.origin ?? this.name,
      destination: twist.destination ?? to,
      content: signedBody,
    }
    const request = new Request(`https://${to}${target}`, {
      method,
      body: (twist.rawBody ?? (body === undefined ? null : canonicalJson(body))) as string | null,
      headers: { 'content-type': 'application/json' },
    })
    for (const header of twist.authorization ?? [signRequest(signed, twist.key ?? this.key)]) {
      request.headers.append('authorization', header)
    }
    return request
  }

  /** A PDU with content hash and its signature. `fields` are taken as they are. */
  event(version: RoomVersion, fields: JsonObject, key = this.key): JsonObject {
    return signEvent(version, fields, this.name, key)
  }

  /** Listens on loopback with TLS, on any free port unless one is given; returns the port. */
  async listen(tls: TestTls, port = 0): Promise<number> {
    const options = { cert: readFileSync(tls.cert), key: readFileSync(tls.key) }
    const server = createServer(options, (incoming, outgoing) => void this.#serve(incoming, outgoing))
    this.#server = server
    await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve))
    return (server.address() as { port: number }).port
  }

  async close(): Promise<void> {
    const server = this.#server
    if (server === undefined) return
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  }

  async #serve(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
    const chunks: Buffer[] = []
    for await (const chunk of incoming) chunks.push(chunk as Buffer)
    const headers = Object.entries(incoming.headers).flatMap(([name, value]) =>
      typeof value === 'string' ? [[name, value] as [string, string]] : [],
    )
    const method = incoming.method ?? 'GET'
    const body = chunks.length === 0 ? null : Buffer.concat(chunks)
    const answer = await this.handle(new Request(`https://${this.name}${incoming.url}`, { method, headers, body }))
    outgoing.writeHead(answer.status, Object.fromEntries(answer.headers))
    outgoing.end(Buffer.from(await answer.arrayBuffer()))
  }

  /** The body of the last request whose target begins so, as JSON. */
  lastBody(targetStart: string): Json | undefined {
    const found = this.received.findLast(({ target }) => target.startsWith(targetStart))
    return found === undefined || found.body === '' ? undefined : parseJson(found.body, { mode: 'spelled' })
  }
}
