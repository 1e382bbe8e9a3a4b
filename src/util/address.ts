import ipaddr from 'ipaddr.js'

/** How many bits of an address are kept. */
export interface AddressMask {
  readonly ipv4: number
  readonly ipv6: number
}

/** An address with all but the first bits cleared, as `192.0.0.0` or `2001:db8::`; empty where it is no address. */
export function maskAddress(address: string, mask: AddressMask): string {
  if (!ipaddr.isValid(address)) return ''
  const parsed = ipaddr.process(address)
  const kept = parsed.kind() === 'ipv4' ? mask.ipv4 : mask.ipv6
  const bytes = parsed.toByteArray().map((byte, index) => byte & keptBits(kept - index * 8))
  return ipaddr.fromByteArray(bytes).toString()
}

function keptBits(bits: number): number {
  return bits >= 8 ? 0xff : bits <= 0 ? 0 : (0xff << (8 - bits)) & 0xff
}

/** A set of addresses, made from addresses and CIDR ranges. */
export class AddressSet {
  readonly #ranges: readonly [ipaddr.IPv4 | ipaddr.IPv6, number][]

  /** Throws where an entry is neither an address nor a range. */
  constructor(entries: readonly string[]) {
    this.#ranges = entries.map((entry) => {
      if (entry.includes('/')) return ipaddr.parseCIDR(entry)
      const address = ipaddr.parse(entry)
      return [address, address.kind() === 'ipv4' ? 32 : 128]
    })
  }

  has(address: string): boolean {
    if (this.#ranges.length === 0 || !ipaddr.isValid(address)) return false
    const parsed = ipaddr.process(address)
    return this.#ranges.some(([base, bits]) => parsed.kind() === base.kind() && parsed.match(base, bits))
  }
}
