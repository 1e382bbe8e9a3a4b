import { connect as connectTcp, isIP, type LookupFunction, type Socket } from 'node:net'
import { checkServerIdentity, connect as connectTls, type SecureContext } from 'node:tls'
import type { buildConnector } from 'undici'
import { isPublicAddress } from './address-guard.ts'
import type { Address, Dns } from './dns.ts'
import { NetError, type AddressGuard, type Clock, type NetFailure } from './ports.ts'

/** Where and how a connection is made. */
export interface Dial {
  readonly host: string
  readonly port: number
  readonly isTls: boolean
  /** the name or address that the certificate must be for */
  readonly certificateName: string
  /** the authorities to trust; none: the platform's */
  readonly secureContext: SecureContext | undefined
  readonly guard: AddressGuard
}

export interface DialDeps {
  readonly dns: Dns
  readonly clock: Clock
  readonly allowPrivateAddresses: boolean
  /** an HTTP proxy (`http://host:port`) for what is not configured to be internal; it resolves the names, and answers for them */
  readonly proxy?: string | null
}

const connectMs = 10_000

/** Makes connections for one route. The address that is connected is one that was checked: nothing is resolved twice. */
export function makeConnector(deps: DialDeps, dial: Dial): buildConnector.connector {
  return (_options, callback) => {
    open(deps, dial).then(
      (socket) => callback(null, socket as never),
      (error: unknown) => callback(error as Error, null),
    )
  }
}

/** Opens a connection, or rejects with NetError. */
export async function open(deps: DialDeps, dial: Dial): Promise<Socket> {
  const isAllowed = (address: string) =>
    dial.guard === 'configured' || deps.allowPrivateAddresses || isPublicAddress(address)
  const host = bare(dial.host)
  if (deps.proxy && dial.guard === 'public') {
    if (isIP(host) !== 0 && !isAllowed(host)) throw new NetError('refused-address', 'the address is not a public one')
    return tunnel(deps, deps.proxy, { ...dial, host })
  }
  const addresses = await resolve(deps, dial, host)
  const allowed = addresses.filter(({ address }) => isAllowed(address))
  if (allowed.length === 0) throw new NetError('refused-address', 'the address is not a public one')
  const socket = await handshake(deps, dial, host, allowed)
  // What the operating system connected, whatever was asked of it.
  if (!isAllowed(socket.remoteAddress ?? '')) {
    socket.destroy()
    throw new NetError('refused-address', 'the address is not a public one')
  }
  return socket
}

/** A connection through the proxy, by CONNECT. */
async function tunnel(deps: DialDeps, proxy: string, dial: Dial): Promise<Socket> {
  const url = new URL(proxy)
  const at = {
    ...dial,
    host: bare(url.hostname),
    port: Number(url.port || 80),
    isTls: false,
    guard: 'configured',
  } as const
  const socket = await handshake(deps, at, at.host, await resolve(deps, at, at.host))
  const authority = `${dial.host.includes(':') ? `[${dial.host}]` : dial.host}:${dial.port}`
  const credentials = decodeURIComponent(url.username ? `${url.username}:${url.password}` : '')
  const authorization =
    credentials === '' ? '' : `proxy-authorization: Basic ${Buffer.from(credentials).toString('base64')}\r\n`
  socket.write(`CONNECT ${authority} HTTP/1.1\r\nhost: ${authority}\r\n${authorization}\r\n`)
  const status = await answerToConnect(deps, socket)
  if (status === 200) return dial.isTls ? handshake(deps, dial, dial.host, [], socket) : socket
  socket.destroy()
  throw new NetError('connect', `the proxy answered ${status}`)
}

function answerToConnect({ clock }: DialDeps, socket: Socket): Promise<number> {
  return new Promise((resolve, reject) => {
    let head = ''
    const fail = () => {
      stop()
      socket.destroy()
      reject(new NetError('connect', 'the proxy did not answer'))
    }
    const take = (chunk: Buffer) => {
      head += chunk.toString('latin1')
      if (head.length > 16_384) return fail()
      if (!head.includes('\r\n\r\n')) return
      stop()
      socket.off('data', take).off('error', fail).off('close', fail)
      resolve(Number(/^HTTP\/1\.[01] (\d{3})/.exec(head)?.[1] ?? 0))
    }
    const stop = clock.setTimer(connectMs, fail)
    socket.on('data', take).once('error', fail).once('close', fail)
  })
}

async function resolve({ dns }: DialDeps, { guard }: Dial, host: string): Promise<readonly Address[]> {
  const family = isIP(host)
  if (family !== 0) return [{ address: host, family: family === 6 ? 6 : 4 }]
  try {
    return await (guard === 'configured' ? dns.configuredAddresses(host) : dns.addresses(host))
  } catch (cause) {
    throw new NetError('resolve', 'the host has no address', { cause })
  }
}

function handshake(
  { clock }: DialDeps,
  dial: Dial,
  host: string,
  addresses: readonly Address[],
  over?: Socket,
): Promise<Socket> {
  const { port, isTls, secureContext, certificateName } = dial
  const lookup: LookupFunction = (_host, options, callback) => {
    const [first] = addresses
    if (options.all)
      callback(
        null,
        addresses.map(({ address, family }) => ({ address, family })),
      )
    else callback(null, first?.address ?? '', first?.family)
  }
  // A literal goes around `lookup`, so whatever is dialled is a name, answered by the list above.
  const tcp = {
    host: isIP(host) === 0 ? host : 'literal.invalid',
    port,
    lookup,
    autoSelectFamily: true,
    noDelay: true,
    keepAlive: true,
  }
  const name = bare(certificateName)
  const tls = {
    ...tcp,
    ...(isIP(name) === 0 ? { servername: name } : {}),
    ...(secureContext === undefined ? {} : { secureContext }),
    ALPNProtocols: ['http/1.1'],
    checkServerIdentity: (_host: string, cert: Parameters<typeof checkServerIdentity>[1]) =>
      checkServerIdentity(name, cert),
  }
  return new Promise((resolve, reject) => {
    const socket: Socket = isTls ? connectTls(over === undefined ? tls : { ...tls, socket: over }) : connectTcp(tcp)
    const stop = clock.setTimer(connectMs, () => fail(new NetError('timeout', 'connecting took too long')))
    const fail = (error: Error) => {
      stop()
      socket.destroy()
      reject(
        error instanceof NetError
          ? error
          : new NetError(failureOfConnect(error), 'the connection failed', { cause: error }),
      )
    }
    socket.once('error', fail)
    socket.once('close', () => fail(new NetError('connect', 'the connection was closed')))
    socket.once(isTls ? 'secureConnect' : 'connect', () => {
      stop()
      socket.off('error', fail)
      socket.removeAllListeners('close')
      resolve(socket)
    })
  })
}

const tcpCodes = /^(?:ECONN|EHOST|ENET|EADDR|ETIMEDOUT|EPIPE|EACCES|EAFNOSUPPORT|EMFILE|EINVAL)/

function failureOfConnect(error: Error): NetFailure {
  const code = 'code' in error ? String(error.code) : ''
  const inner = error instanceof AggregateError ? error.errors : []
  return tcpCodes.test(code) || inner.length > 0 ? 'connect' : 'tls'
}

/** Without the brackets of an IPv6 literal, and without a final dot. */
function bare(host: string): string {
  if (host.startsWith('[') && host.endsWith(']')) return host.slice(1, -1)
  return host.length > 1 && host.endsWith('.') ? host.slice(0, -1) : host
}
