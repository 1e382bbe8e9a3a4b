import type { ApiClient } from './api-client.ts'

type Json = Record<string, unknown>

/** Follows one room by `/sync`, gaps filled by `/messages`, and keeps each event's id in the order in which it came. */
export class SyncFollower {
  readonly seen: string[] = []
  readonly #room: string
  #since: string | undefined

  constructor(room: string) {
    this.#room = room
  }

  /** One `/sync` at any process of the server, and the pages of its gap. Returns how many events it brought. */
  async step(client: ApiClient, timeout = 0): Promise<number> {
    const answer = await client.sync(this.#since, timeout)
    const joined = (answer['rooms'] as { join?: Record<string, Json> } | undefined)?.join?.[this.#room]
    const timeline = joined?.['timeline'] as { events: Json[]; limited?: boolean; prev_batch?: string } | undefined
    const from = this.#since
    const events = timeline?.events ?? []
    // what came before the first /sync is no gap
    const gap =
      timeline?.limited === true && from !== undefined ? await this.#gap(client, timeline.prev_batch, from) : []
    this.#since = answer.next_batch
    for (const event of [...gap, ...events]) this.seen.push(event['event_id'] as string)
    return gap.length + events.length
  }

  async #gap(client: ApiClient, prevBatch: string | undefined, to: string): Promise<Json[]> {
    const events: Json[] = []
    let from = prevBatch
    while (from !== undefined) {
      const page: { chunk: Json[]; end?: string } = await client.call(
        'GET',
        `/_matrix/client/v3/rooms/${encodeURIComponent(this.#room)}/messages?dir=b&limit=1000&from=${encodeURIComponent(from)}&to=${encodeURIComponent(to)}`,
      )
      events.push(...page.chunk)
      from = page.end
    }
    return events.toReversed()
  }
}
