import type * as LruCache from 'lru-cache'

/**
 * Makes every cache of the servers small, before they are imported: what is in a world would never fill them, and what is
 * dropped from a cache and read again is where mistakes are. Large ones also take long to make.
 */
export async function smallCaches(load: () => Promise<typeof LruCache>): Promise<typeof LruCache> {
  const real = await load()
  class Small<K extends {}, V extends {}, F = unknown> extends real.LRUCache<K, V, F> {
    constructor(options: LruCache.LRUCache.Options<K, V, F>) {
      super({ ...options, ...(options.max === undefined ? {} : { max: Math.min(options.max, 64) }) } as typeof options)
    }
  }
  return { ...real, LRUCache: Small as unknown as typeof real.LRUCache }
}
