import { readFileSync, statSync } from 'node:fs'
import { lookup } from 'node:dns/promises'
import { Resolver } from 'node:dns/promises'
import { isIP } from 'node:net'

/** One SRV record. */
export interface SrvRecord {
  readonly name: string
  readonly port: number
  readonly priority: number
  readonly weight: number
}

/** An address of a host. */
export interface Address {
  readonly address: string
  readonly family: 4 | 6
}

/** Names to addresses. */
export interface Dns {
  /** SRV records of a name; none where it has none or DNS cannot tell. */
  srv(name: string): Promise<readonly SrvRecord[]>
  /** Addresses of a host that a user or a remote named. Rejects where it has none. */
  addresses(host: string): Promise<readonly Address[]>
  /** Addresses of a host that the operator wrote down, by all that the operating system knows. Rejects where it has none. */
  configuredAddresses(host: string): Promise<readonly Address[]>
}

const hostsFile = process.platform === 'win32' ? 'C:/Windows/System32/drivers/etc/hosts' : '/etc/hosts'
const missing = new Set(['ENOTFOUND', 'ENODATA', 'NXDOMAIN'])

/**
 * DNS by the machine's name servers. What strangers name is asked for without `getaddrinfo`, whose few threads a
 * handful of hanging name servers would hold up, together with files and password hashes.
 */
export function makeSystemDns(): Dns {
  const resolver = new Resolver({ timeout: 3000, tries: 2 })
  const hosts = makeHostsFile()
  return {
    async srv(name) {
      try {
        return await resolver.resolveSrv(name)
      } catch {
        return []
      }
    },
    async addresses(host) {
      const written = hosts(host)
      if (written.length > 0) return written
      const [v6, v4] = await Promise.allSettled([resolver.resolve6(host), resolver.resolve4(host)])
      const found: Address[] = [
        ...(v6.status === 'fulfilled' ? v6.value.map((address) => ({ address, family: 6 }) as const) : []),
        ...(v4.status === 'fulfilled' ? v4.value.map((address) => ({ address, family: 4 }) as const) : []),
      ]
      if (found.length > 0) return found
      throw (v4.status === 'rejected' && !missing.has(codeOf(v4.reason)) ? v4.reason : notFound(host)) as Error
    },
    async configuredAddresses(host) {
      const found = await lookup(host, { all: true })
      return found.map(({ address, family }) => ({ address, family: family === 6 ? 6 : 4 }))
    },
  }
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : ''
}

function notFound(host: string): Error {
  return Object.assign(new Error(`${host} has no address`), { code: 'ENOTFOUND' })
}

/** The hosts file, read again when it changed. */
function makeHostsFile(): (host: string) => readonly Address[] {
  let readAt = -1
  let byName = new Map<string, Address[]>()
  return (host) => {
    try {
      const { mtimeMs } = statSync(hostsFile)
      if (mtimeMs !== readAt) {
        byName = parseHosts(readFileSync(hostsFile, 'utf8'))
        readAt = mtimeMs
      }
    } catch {
      byName = new Map()
    }
    return byName.get(host.toLowerCase()) ?? []
  }
}

function parseHosts(text: string): Map<string, Address[]> {
  const byName = new Map<string, Address[]>()
  for (const line of text.split('\n')) {
    const [address = '', ...names] = line.replace(/#.*/, '').trim().split(/\s+/)
    const family = isIP(address)
    if (family === 0) continue
    for (const name of names) {
      const known = byName.get(name.toLowerCase()) ?? []
      byName.set(name.toLowerCase(), [...known, { address, family: family === 6 ? 6 : 4 }])
    }
  }
  return byName
}
