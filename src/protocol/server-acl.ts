import { compileGlob, isGlob } from './glob.ts'
import type { Json, JsonObject } from './json-types.ts'

type Matcher = (host: string) => boolean

interface ServerAcl {
  readonly allowIpLiterals: boolean
  readonly isAllowed: Matcher
  readonly isDenied: Matcher
  readonly answers: Map<string, boolean>
}

const ipv4Literal = /^\d{1,3}(?:\.\d{1,3}){3}$/
const portSuffix = /:\d{1,5}$/
const maxAnswers = 1000
const compiled = new WeakMap<JsonObject, ServerAcl>()

/**
 * Whether a server may take part in a room, by the content of the room's `m.room.server_acl`, undefined where it has
 * none (client-server API, "Server ACL"). The lists are compiled once per content object: pass the same object again.
 */
export function isServerAllowed(serverName: string, content: JsonObject | undefined): boolean {
  if (content === undefined) return true
  let acl = compiled.get(content)
  if (acl === undefined) compiled.set(content, (acl = compile(content)))
  const known = acl.answers.get(serverName)
  if (known !== undefined) return known
  const answer = judge(acl, hostOf(serverName))
  if (acl.answers.size >= maxAnswers) acl.answers.clear()
  acl.answers.set(serverName, answer)
  return answer
}

function judge(acl: ServerAcl, host: string): boolean {
  if (!acl.allowIpLiterals && (host.startsWith('[') || ipv4Literal.test(host))) return false
  return !acl.isDenied(host) && acl.isAllowed(host)
}

function compile(content: JsonObject): ServerAcl {
  return {
    allowIpLiterals: content.allow_ip_literals !== false,
    isAllowed: compileList(content.allow),
    isDenied: compileList(content.deny),
    answers: new Map(),
  }
}

/** Plain names and `*.domain` are looked up; only other globs are tried one by one. */
function compileList(list: Json | undefined): Matcher {
  const exact = new Set<string>()
  const parents = new Set<string>()
  const globs: Matcher[] = []
  for (const entry of Array.isArray(list) ? list : []) {
    if (typeof entry !== 'string') continue
    const pattern = withoutFinalDot(entry.toLowerCase())
    if (!isGlob(pattern)) exact.add(pattern)
    else if (pattern.startsWith('*.') && !isGlob(pattern.slice(1))) parents.add(pattern.slice(1))
    else globs.push(compileGlob(pattern))
  }
  return (host) => exact.has(host) || isBelow(host, parents) || globs.some((matches) => matches(host))
}

function isBelow(host: string, parents: ReadonlySet<string>): boolean {
  if (parents.size === 0) return false
  for (let dot = host.indexOf('.'); dot >= 0; dot = host.indexOf('.', dot + 1)) {
    if (parents.has(host.slice(dot))) return true
  }
  return false
}

/** The name without its port, in lower case. */
function hostOf(serverName: string): string {
  const isBareIpv6 = serverName.startsWith('[') && serverName.endsWith(']')
  return withoutFinalDot((isBareIpv6 ? serverName : serverName.replace(portSuffix, '')).toLowerCase())
}

/** NOTSPEC: `evil.example.` is the host `evil.example`, so that a dot is no way around the list. */
function withoutFinalDot(host: string): string {
  return host.length > 1 && host.endsWith('.') ? host.slice(0, -1) : host
}
