/** Lets the event loop have a turn: for work that would keep it for more than some milliseconds. */
export function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}
