import { applyRemoteReceipts } from '../../delivery/receipts.ts'
import { applyRemoteTyping } from '../../delivery/typing.ts'
import { parseEdu, parseReceipts, parseTyping } from '../../federation/edus.ts'
import type { ServerName } from '../../protocol/ids.ts'
import type { Json, JsonObject } from '../../protocol/json-types.ts'
import type { Deps } from '../deps.ts'

type Apply = (deps: Deps, origin: ServerName, content: JsonObject) => Promise<void> | void

const appliers: ReadonlyMap<string, Apply> = new Map<string, Apply>([
  ['m.receipt', (deps, origin, content) => applyRemoteReceipts(deps, origin, parseReceipts(content, origin))],
  [
    'm.typing',
    (deps, origin, content) => {
      const typing = parseTyping(content, origin)
      return typing === undefined ? undefined : applyRemoteTyping(deps, origin, typing)
    },
  ],
])

/**
 * Applies the EDUs of a transaction, in their order; unknown ones mean nothing. One that fails keeps no other from being
 * applied, unless the database cannot work: then the whole transaction fails, and comes again.
 */
export async function applyEdus(deps: Deps, origin: ServerName, edus: readonly Json[]): Promise<void> {
  for (const value of edus) {
    const edu = parseEdu(value)
    if (edu === undefined) continue
    await appliers.get(edu.type)?.(deps, origin, edu.content)
  }
}
