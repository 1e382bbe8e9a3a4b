/** A server name with an optional port. Made only by `parseServerName`. */
export type ServerName = string & { readonly __serverName: true }

const dnsName = /^[0-9A-Za-z.-]{1,255}$/
const ipv4 = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/
const port = /^\d{1,5}$/
const ipv6Group = /^[0-9A-Fa-f]{1,4}$/

/** A server name taken apart; `host` of an IPv6 literal is without its brackets. */
export interface ServerNameParts {
  readonly kind: 'dns' | 'ipv4' | 'ipv6'
  readonly host: string
  readonly port: number | undefined
}

/** Whether the text is a dotted quad whose numbers are 0 to 255. */
export function isIpv4(text: string): boolean {
  const match = ipv4.exec(text)
  return match !== null && match.slice(1).every((part) => Number(part) <= 255)
}

/** Whether the text is an IPv6 address (RFC 3513, section 2.2), without brackets, zone or prefix length. */
export function isIpv6(text: string): boolean {
  if (text.length < 2 || text.length > 45) return false
  const halves = text.split('::')
  if (halves.length > 2) return false
  let groups = 0
  for (const [index, half] of halves.entries()) {
    if (half === '') continue
    const parts = half.split(':')
    const isLastHalf = index === halves.length - 1
    for (const [at, part] of parts.entries()) {
      if (ipv6Group.test(part)) groups++
      else if (isLastHalf && at === parts.length - 1 && isIpv4(part)) groups += 2
      else return false
    }
  }
  return halves.length === 2 ? groups <= 7 : groups === 8
}

/** Splits a server name into its parts, or undefined where it breaks the grammar (appendices, "Server Name"). */
export function splitServerName(text: string): ServerNameParts | undefined {
  if (text.startsWith('[')) {
    const end = text.indexOf(']')
    if (end < 0 || !isIpv6(text.slice(1, end))) return undefined
    return withPort('ipv6', text.slice(1, end), text.slice(end + 1))
  }
  const colon = text.indexOf(':')
  const host = colon < 0 ? text : text.slice(0, colon)
  if (!dnsName.test(host)) return undefined
  return withPort(isIpv4(host) ? 'ipv4' : 'dns', host, colon < 0 ? '' : text.slice(colon))
}

function withPort(kind: ServerNameParts['kind'], host: string, rest: string): ServerNameParts | undefined {
  if (rest === '') return { kind, host, port: undefined }
  return rest.startsWith(':') && port.test(rest.slice(1)) ? { kind, host, port: Number(rest.slice(1)) } : undefined
}

/** Whether the text is a server name: DNS name, IPv4 or bracketed IPv6 literal, with an optional port. */
export function isServerName(text: string): text is ServerName {
  return splitServerName(text) !== undefined
}
