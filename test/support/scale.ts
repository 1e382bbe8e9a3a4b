/**
 * How much of a proof to run: little in `npm test`, all of it where `LETHE_FULL=1` (`.ci/run` sets it for `*.proof.test.ts`).
 * `LETHE_SCALE=n` multiplies the full size for a long run by hand.
 * @param usual how many cases the usual run takes
 * @param full how many cases the proof promises
 */
export function scale(usual: number, full: number): number {
  if (process.env['LETHE_FULL'] !== '1') return usual
  return Math.max(1, Math.round(full * Number(process.env['LETHE_SCALE'] ?? '1')))
}

/** The seed of a randomised proof: `LETHE_SEED`, or the one given. A failure prints it, and the same seed replays the run. */
export function seed(usual: number): number {
  return Number(process.env['LETHE_SEED'] ?? usual)
}

/** Whether proofs run in full. */
export function isFull(): boolean {
  return process.env['LETHE_FULL'] === '1'
}
