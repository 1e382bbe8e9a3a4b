/**
 * Where the text is silent, or where every server in use does something else than the letter says. The oracle is literal
 * in all of these unless it is told; each one is tagged `NOTSPEC` where the protocol follows it.
 */
export interface Reading {
  /** A state without `m.room.join_rules`: the rules name no default, so that by the letter nobody may join. */
  readonly missingJoinRuleIsInvite: boolean
  /** A set's auth chain holds the set's own events. By the letter it holds only what these name. */
  readonly chainsHoldOwnEvents: boolean
  /** Versions 1–9: a level that is none makes the event refused, not only where it stands in `users`. */
  readonly refusesUnreadableLevels: boolean
  /** Version 1: of conflicting events none of which is allowed the earliest stays. By the letter none does. */
  readonly keepsEarliestOfRefused: boolean
}

export const literal: Reading = {
  missingJoinRuleIsInvite: false,
  chainsHoldOwnEvents: false,
  refusesUnreadableLevels: false,
  keepsEarliestOfRefused: false,
}

/** As rooms are read by the servers that are in them, and by `src/protocol`. */
export const settled: Reading = {
  missingJoinRuleIsInvite: true,
  chainsHoldOwnEvents: true,
  refusesUnreadableLevels: true,
  keepsEarliestOfRefused: true,
}
