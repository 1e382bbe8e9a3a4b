/** Any JSON value that the strict parser lets through. */
export type Json = null | boolean | number | string | readonly Json[] | JsonObject

/** A JSON object; made by the parser without a prototype's keys, so that `__proto__` is a key like any other. */
export interface JsonObject {
  readonly [key: string]: Json
}

/**
 * What a JSON text may contain.
 * - `strict`: what Canonical JSON can say: integers within ±(2^53−1), no `-0`, no key twice, no lone surrogate.
 *   Events of room versions from 6.
 * - `lenient`: any finite number; of a key that stands twice the last counts; no lone surrogate. Client bodies.
 * - `spelled`: takes whatever is JSON and remembers what is odd about it (see json-oddities.ts), so that each event in
 *   a federation request can be judged, and hashed as its origin wrote it, by its own room version.
 */
export type JsonMode = 'strict' | 'lenient' | 'spelled'
