/** A position in one room's timeline, between the event with this `ord` and the next: `from`, `to`, `start`, `end`, `prev_batch`. */
export function formatRoomToken(ord: number): string {
  return `t${ord}`
}

/** The `ord` of a room token, undefined where the text is none. */
export function parseRoomToken(text: string): number | undefined {
  const match = /^t(-?\d{1,16})$/.exec(text)
  const ord = match === null ? NaN : Number(match[1])
  return Number.isSafeInteger(ord) ? ord : undefined
}
