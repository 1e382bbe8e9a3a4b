/** Room versions before 6 allow numbers that no integer column holds: they are stored as the nearest that it does. */
export function storable(value: number): number {
  return Math.max(Number.MIN_SAFE_INTEGER, Math.min(Number.MAX_SAFE_INTEGER, value))
}
