import { FederationError } from '../federation/errors.ts'
import { MatrixError } from '../protocol/errors.ts'
import type { RoomAlias, RoomId, ServerName } from '../protocol/ids.ts'
import { serverNameOf } from '../protocol/ids.ts'
import { findRoomAlias } from '../store/room-aliases.ts'
import { listServerNames } from '../store/servers.ts'
import type { RoomsDeps } from './deps.ts'

/** The most servers that are named to whoever asks for an alias. */
const maxServers = 500

/** Where an alias leads, and servers that are in the room. */
export interface ResolvedAlias {
  readonly roomId: RoomId
  readonly servers: readonly ServerName[]
}

/** The room of an alias of this server; undefined where it has none. */
export async function findLocalAlias(
  deps: Pick<RoomsDeps, 'database' | 'roomCache' | 'serverName'>,
  alias: RoomAlias,
): Promise<ResolvedAlias | undefined> {
  return deps.database.read(async (conn) => {
    const row = await findRoomAlias(conn, alias)
    if (row === undefined) return undefined
    const room = await deps.roomCache.find(conn, row.roomId)
    const names = room === undefined ? [] : [...(await listServerNames(conn, room.hosts.slice(0, maxServers))).values()]
    return { roomId: row.roomId, servers: [deps.serverName, ...names] }
  })
}

/** The room of an alias, asking its server where that is another one. Throws `M_NOT_FOUND`, and 502 or 504. */
export async function resolveAlias(
  deps: Pick<RoomsDeps, 'database' | 'roomCache' | 'serverName' | 'federation'>,
  alias: RoomAlias,
): Promise<ResolvedAlias> {
  const server = serverNameOf(alias)
  const notFound = () => new MatrixError('M_NOT_FOUND', 'Room alias not found')
  if (server === deps.serverName) {
    const found = await findLocalAlias(deps, alias)
    if (found === undefined) throw notFound()
    return found
  }
  try {
    const { roomId, servers } = await deps.federation.queryDirectory(server, alias)
    return { roomId, servers: [...new Set([server, ...servers])] }
  } catch (error) {
    if (error instanceof FederationError && error.remote?.status === 404) throw notFound()
    throw error
  }
}
