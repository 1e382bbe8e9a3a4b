/** The part behind the first colon (appendices, "Common Identifier Format"); undefined where there is none. */
export function domainOf(id: string): string | undefined {
  const colon = id.indexOf(':')
  return colon < 0 ? undefined : id.slice(colon + 1)
}

/** Appendices, "User Identifiers" with the tolerance of "Historical User IDs". */
export function isUserId(id: string): boolean {
  if (!id.startsWith('@') || new TextEncoder().encode(id).length > 255) return false
  const colon = id.indexOf(':')
  if (colon < 0) return false
  const localpart = id.slice(1, colon)
  return !localpart.includes('\u0000') && isServerName(id.slice(colon + 1))
}

/** Appendices, "Server Name". */
export function isServerName(name: string): boolean {
  if (/^[0-9]{1,3}(\.[0-9]{1,3}){3}(:[0-9]{1,5})?$/.test(name)) return true
  if (/^\[[0-9A-Fa-f:.]{2,45}\](:[0-9]{1,5})?$/.test(name)) return true
  return /^[0-9A-Za-z.-]{1,255}(:[0-9]{1,5})?$/.test(name)
}
