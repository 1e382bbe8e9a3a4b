import ipaddr from 'ipaddr.js'

/**
 * Whether an address may be dialled for somebody who is not the operator: global unicast only. Takes the plain forms
 * that sockets use; anything else is refused. Addresses that carry an IPv4 address are judged by it.
 */
export function isPublicAddress(address: string): boolean {
  const text = address.startsWith('[') && address.endsWith(']') ? address.slice(1, -1) : address
  if (ipaddr.IPv4.isValidFourPartDecimal(text)) return isPublicIpv4(ipaddr.IPv4.parse(text))
  // A zone names an interface of this machine.
  if (text.includes('%') || !ipaddr.IPv6.isValid(text)) return false
  return isPublicIpv6(ipaddr.IPv6.parse(text))
}

function isPublicIpv4(address: ipaddr.IPv4): boolean {
  return address.range() === 'unicast'
}

function isPublicIpv6(address: ipaddr.IPv6): boolean {
  if (address.isIPv4MappedAddress()) return isPublicIpv4(address.toIPv4Address())
  const range = address.range()
  if (range === 'rfc6052') return isPublicIpv4(embeddedIpv4(address))
  const first = address.parts[0] ?? 0
  return range === 'unicast' && first >= 0x2000 && first <= 0x3fff
}

/** The IPv4 address in the last 32 bits (NAT64, `64:ff9b::/96`). */
function embeddedIpv4(address: ipaddr.IPv6): ipaddr.IPv4 {
  return new ipaddr.IPv4(address.toByteArray().slice(12))
}
