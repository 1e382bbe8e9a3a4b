const right = 'this.#durable = Math.max(this.#durable, target)'

/**
 * Makes the end of a sync count for every commit before that end, not only for those before its beginning.
 * @param {string} url
 * @param {object} context
 * @param {(url: string, context: object) => Promise<{ format: string, source?: unknown }>} next
 */
export async function load(url, context, next) {
  const loaded = await next(url, context)
  const source = String(loaded.source ?? '')
  if (!source.includes('class Durability ')) return loaded
  if (!source.includes(right)) throw new Error(`${url} has no place to make answers early`)
  return { ...loaded, source: source.replace(right, 'this.#durable = this.#committed') }
}
