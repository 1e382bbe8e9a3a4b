const right = 'this.#durable = Math.max(this.#durable, target)'

/**
 * Makes the end of a sync count for every commit before that end, not only for those before its beginning.
 * @param {string} url
 * @param {object} context
 * @param {(url: string, context: object) => Promise<{ format: string, source?: string | Uint8Array }>} next
 */
export async function load(url, context, next) {
  const loaded = await next(url, context)
  const source = Buffer.from(loaded.source ?? '').toString()
  return source.includes(right)
    ? { ...loaded, source: source.replace(right, 'this.#durable = this.#committed') }
    : loaded
}
