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
  const isAllowed = (address: string) => dial.guard === 'configured' || deps.allowPrivateAddresses || isPublicAddress(address)
  const host = bare(dial.host)
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

async function resolve({ dns }: DialDeps, { guard }: Dial, host: string): Promise<readonly Address[]> {
  const family = isIP(host)
  if (family !== 0) return [{ address: host, family: family === 6 ? 6 : 4 }]
  try {
    return await (guard === 'configured' ? dns.configuredAddresses(host) : dns.addresses(host))
  } catch (cause) {
    throw new NetError('resolve', 'the host has no address', { cause })
  }
}

function handshake({ clock }: DialDeps, dial: Dial, host: string, addresses: readonly Address[]): Promise<Socket> {
  const { port, isTls, secureContext, certificateName } = dial
  const lookup: LookupFunction = (_host, options, callback) => {
    const [first] = addresses
    if (options.all) callback(null, addresses.map(({ address, family }) => ({ address, family })))
    else callback(null, first?.address ?? '', first?.family)
  }
  // A literal goes around `lookup`, so whatever is dialled is a name, answered by the list above.
  const tcp = { host: isIP(host) === 0 ? host : 'literal.invalid', port, lookup, autoSelectFamily: true, noDelay: true, keepAlive: true }
  const name = bare(certificateName)
  const tls = {
    ...tcp,
    ...(isIP(name) === 0 ? { servername: name } : {}),
    ...(secureContext === undefined ? {} : { secureContext }),
    ALPNProtocols: ['http/1.1'],
    checkServerIdentity: (_host: string, cert: Parameters<typeof checkServerIdentity>[1]) => checkServerIdentity(name, cert),
  }
  return new Promise((resolve, reject) => {
    const socket: Socket = isTls ? connectTls(tls) : connectTcp(tcp)
    const stop = clock.setTimer(connectMs, () => fail(new NetError('timeout', 'connecting took too long')))
    const fail = (error: Error) => {
      stop()
      socket.destroy()
      reject(error instanceof NetError ? error : new NetError(failureOfConnect(error), 'the connection failed', { cause: error }))
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
