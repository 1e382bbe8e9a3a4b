import type { Deps } from '../deps.ts'
import { RawJson } from '../../util/raw-json.ts'

/** Texts of PDUs as members of an answer. */
export function raw(texts: readonly string[]): RawJson[] {
  return texts.map((text) => new RawJson(text))
}

/** The form in which single events and pages of history are answered: a transaction of ours. */
export function asTransaction(deps: Pick<Deps, 'serverName' | 'clock'>, texts: readonly string[]): object {
  return { origin: deps.serverName, origin_server_ts: deps.clock.now(), pdus: raw(texts) }
}
