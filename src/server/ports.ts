import { readFileSync } from 'node:fs'
import type { SigningKey } from '../protocol/sign.ts'
import type { Signer } from '../rooms/signer.ts'
import type { Config } from '../util/config.ts'
import { makeSystemDns } from '../util/dns.ts'
import type { Dns } from '../util/dns.ts'
import type { Failpoint } from '../util/failpoint.ts'
import { silentLog } from '../util/log.ts'
import type { Log } from '../util/log.ts'
import type { Clock, Net, Random } from '../util/ports.ts'
import { SystemNet } from '../util/system-net.ts'
import { systemClock, systemRandom } from '../util/system-ports.ts'
import type { FileWork } from './open-database.ts'

/** What a server has of the world; a test gives its own. */
export interface Ports {
  readonly clock: Clock
  readonly random: Random
  readonly dns: Dns
  readonly net: Net
  readonly log: Log
  /** nothing can be promised any more: ends the process */
  readonly onFatal: (error: Error) => void
  /** named points at which a test ends the process, or throws */
  readonly failpoint?: Failpoint
  /** stands in for the threads that work on the file of an SQLite database */
  readonly fileWork?: FileWork
  /** stands in for the thread that signs */
  readonly signer?: (key: SigningKey) => Signer
}

/** The given ports, and the machine's own for the rest. Throws where a file of authorities cannot be read. */
export function completePorts(config: Config, given: Partial<Ports>): Ports {
  const clock = given.clock ?? systemClock
  const dns = given.dns ?? makeSystemDns()
  const { extraCaFiles, allowPrivateAddresses, proxy } = config.outgoingHttp
  const net = () =>
    new SystemNet({ clock, dns, allowPrivateAddresses, proxy, extraCa: extraCaFiles.map(readPem), userAgent: 'Lethe' })
  const onFatal = (error: Error) => {
    throw error
  }
  return {
    onFatal,
    ...given,
    clock,
    dns,
    net: given.net ?? net(),
    random: given.random ?? systemRandom,
    log: given.log ?? silentLog,
  }
}

/** A file of certificates. Throws an Error that names it. */
export function readPem(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    throw new Error(`${path} cannot be read: ${(error as NodeJS.ErrnoException).code}`, { cause: error })
  }
}
