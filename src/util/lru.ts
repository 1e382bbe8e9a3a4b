import { LRUCache } from 'lru-cache'

const one = () => 1

/**
 * A cache of the `max` entries used last. Its places are made as it fills: `LRUCache` with `max` alone makes them all at
 * once, which costs every start time and memory. `dispose` is told what leaves.
 */
export function lru<K extends NonNullable<unknown>, V extends NonNullable<unknown>>(
  max: number,
  dispose?: (value: V) => void,
): LRUCache<K, V> {
  return new LRUCache({ maxSize: max, sizeCalculation: one, ...(dispose === undefined ? {} : { dispose }) })
}
