import type { ApiClient } from './api-client.ts'
import type { Canaries } from './canaries.ts'
import type { Life } from './life.ts'

const client = '/_matrix/client/v3'
const encoded = encodeURIComponent

/** Everything that somebody can ask about these rooms and alice, as the texts of all answers, by path. */
export async function readAll(reader: ApiClient, life: Life, rooms: readonly string[]): Promise<Map<string, string>> {
  const texts = new Map<string, string>()
  const ask = async (path: string, body?: unknown) => {
    const { status, text } = await reader.answer(
      body === undefined ? 'GET' : 'POST',
      path,
      body === undefined ? undefined : JSON.stringify(body),
    )
    if (status >= 500) throw new Error(`${path}: ${status} ${text}`)
    texts.set(path, text)
    return text
  }
  const sync = JSON.parse(
    await ask(`${client}/sync?timeout=0&full_state=true&filter=${encoded('{"room":{"timeline":{"limit":100}}}')}`),
  ) as { next_batch: string }
  await ask(`${client}/sync?timeout=0&since=${encoded(sync.next_batch)}&full_state=true`)
  await ask(`${client}/sync?timeout=0&filter=${encoded('{"room":{"state":{"lazy_load_members":true}}}')}`)
  const events = Object.values(life.messages).flat()
  for (const room of rooms) {
    const at = `${client}/rooms/${encoded(room)}`
    await ask(`${at}/messages?dir=b&limit=500`)
    await ask(`${at}/messages?dir=f&limit=500`)
    const state = JSON.parse(await ask(`${at}/state`)) as { type: string; state_key: string }[]
    for (const { type, state_key: key } of Array.isArray(state) ? state : [])
      await ask(`${at}/state/${encoded(type)}/${encoded(key)}`)
    await ask(`${at}/members`)
    await ask(`${at}/members?at=${encoded(sync.next_batch)}`)
    await ask(`${at}/joined_members`)
    await ask(`${at}/aliases`)
    await ask(`${at}/threads`)
    await ask(`${at}/initialSync`)
    await ask(`/_matrix/client/v1/rooms/${encoded(room)}/hierarchy`)
    await ask(`/_matrix/client/v1/room_summary/${encoded(room)}`)
    for (const id of events) {
      await ask(`${at}/event/${encoded(id)}`)
      await ask(`${at}/context/${encoded(id)}?limit=50`)
      await ask(`/_matrix/client/v1/rooms/${encoded(room)}/relations/${encoded(id)}`)
    }
  }
  await ask(`${client}/profile/${encoded(life.alice.userId)}`)
  await ask(`${client}/profile/${encoded(life.alice.userId)}/displayname`)
  await ask(`${client}/notifications`)
  await ask(`${client}/publicRooms`)
  await ask(`${client}/keys/query`, { device_keys: { [life.alice.userId]: [] } })
  await ask(`${client}/user_directory/search`, { search_term: 'alice' })
  return texts
}

/** The canaries in the answers that may not be there, with where they were seen; `also` names what may be there all the same. */
export function leaks(
  canaries: Canaries,
  texts: ReadonlyMap<string, string>,
  also: ReadonlySet<string> = new Set(),
): string[] {
  const forbidden = new Set(canaries.names('gone', 'fleeting', 'never'))
  const found = [...texts].flatMap(([path, text]) =>
    canaries
      .inText(text)
      .filter((name) => forbidden.has(name) && !also.has(name))
      .map((name) => `${name} in ${path}: ${around(text, canaries.of(name))}`),
  )
  return found.length <= 20 ? found : [...found.slice(0, 20), `and ${found.length - 20} more`]
}

function around(text: string, found: string): string {
  const at = text.indexOf(found)
  return text.slice(Math.max(0, at - 300), at + 60)
}
