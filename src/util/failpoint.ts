/** Called at a named point at which a test ends the process, or throws. Where there is none, nothing is called. */
export type Failpoint = (name: string) => void

/**
 * The failpoint of a test of the built program: with `LETHE_FAILPOINT=erasure:after:CENSUS` in the environment the
 * process kills itself at that point, as kill -9 would; with `send:appended@7` at the seventh time that it comes there,
 * and with `erasure@7` at the seventh of the points whose names begin so. Undefined where the variable is not set.
 */
export function failpointFrom(
  env: Readonly<Record<string, string | undefined>>,
  kill: () => void,
): Failpoint | undefined {
  const [, wanted, times = '1'] = /^(.+?)(?:@(\d+))?$/.exec(env['LETHE_FAILPOINT'] ?? '') ?? []
  if (wanted === undefined) return undefined
  let left = Number(times)
  return (name) => {
    if ((name === wanted || name.startsWith(`${wanted}:`)) && --left === 0) kill()
  }
}
