import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import pg from 'pg'
import type { LetheOptions } from './lethe-process.ts'
import { LetheProcess } from './lethe-process.ts'

/** Several processes of one server on one PostgreSQL, as behind a load balancer: shared keys and media, folders of their own. */
export async function startProcesses(
  folder: string,
  count: number,
  postgresUrl: string,
  more: Partial<LetheOptions> = {},
): Promise<LetheProcess[]> {
  const shared = join(folder, 'shared')
  mkdirSync(shared, { recursive: true })
  const processes: LetheProcess[] = []
  for (let i = 0; i < count; i++) {
    const lethe = await LetheProcess.start({
      ...more,
      folder: join(folder, `process${i}`),
      postgresUrl,
      config: {
        server_name: 'cluster.test',
        signing_key: { path: join(shared, 'signing.key') },
        passwords: { bcrypt_cost: 4, allow_weak_hash: true, pepper_file: join(shared, 'pepper') },
        media: { path: join(shared, 'media') },
        ...more.config,
      },
    })
    processes.push(lethe)
  }
  return processes
}

/** An event as it is stored. */
export interface StoredEvent {
  readonly id: string
  readonly ord: number
  readonly pdu: { readonly prev_events: readonly string[]; readonly content: { readonly body?: string } }
}

/** All events of a room's timeline in order, and its forward extremities, straight from the database. */
export async function storedRoom(
  postgresUrl: string,
  room: string,
): Promise<{ events: StoredEvent[]; extremities: string[] }> {
  const client = new pg.Client({ connectionString: postgresUrl })
  await client.connect()
  try {
    const events = await client.query<{ event_id: string; ord: string; json: string }>(
      `select event_id, ord, json from events join rooms using (room_nid) where room_id = $1 and ord is not null order by ord`,
      [room],
    )
    const extremities = await client.query<{ event_id: string }>(
      `select event_id from forward_extremities f join events using (event_nid) join rooms r on r.room_nid = f.room_nid where room_id = $1`,
      [room],
    )
    return {
      events: events.rows.map(({ event_id, ord, json }) => ({
        id: event_id,
        ord: Number(ord),
        pdu: JSON.parse(json) as StoredEvent['pdu'],
      })),
      extremities: extremities.rows.map(({ event_id }) => event_id),
    }
  } finally {
    await client.end()
  }
}
