/**
 * The failpoint of a test of the built program: with `LETHE_FAILPOINT=erasure:after:CENSUS` in the environment the
 * process kills itself at that point, as kill -9 would. Undefined where the variable is not set.
 */
export function failpointFrom(
  env: Readonly<Record<string, string | undefined>>,
  kill: () => void,
): ((name: string) => void) | undefined {
  const wanted = env['LETHE_FAILPOINT']
  if (!wanted) return undefined
  return (name) => {
    if (name === wanted) kill()
  }
}
