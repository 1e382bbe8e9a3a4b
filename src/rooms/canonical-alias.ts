import { MatrixError } from '../protocol/errors.ts'
import type { RoomAlias, RoomId } from '../protocol/ids.ts'
import { parseRoomAlias } from '../protocol/ids.ts'
import type { Json, JsonObject } from '../protocol/json-types.ts'
import type { Actor } from './actor.ts'
import { appendLocal } from './append-local.ts'
import type { RoomsDeps } from './deps.ts'
import { maySendState } from './may-send.ts'
import { resolveAlias } from './resolve-alias.ts'
import type { Room } from './room.ts'
import { writeInRoom } from './write-in-room.ts'

const maxAliases = 100

/**
 * Checks what a client puts into `m.room.canonical_alias` (client-server API, `m.room.canonical_alias`): every alias that
 * was not there before must lead to the room. Throws `M_INVALID_PARAM` for what is no alias, `M_BAD_ALIAS` for one that
 * leads elsewhere or nowhere.
 */
export async function assertAliasesLeadHere(deps: RoomsDeps, room: Room, content: JsonObject): Promise<void> {
  const before = await deps.database.read((conn) => deps.roomCache.stateEvent(conn, room, 'm.room.canonical_alias', ''))
  const known = new Set(before === undefined ? [] : aliasesOf(before.content))
  const added = aliasesOf(content).filter((value) => !known.has(value))
  if (added.length > maxAliases) throw new MatrixError('M_INVALID_PARAM', 'Too many aliases')
  await Promise.all(added.map((value) => assertLeadsTo(deps, value, room.id)))
}

function aliasesOf({ alias, alt_aliases: others }: JsonObject): Json[] {
  if (others !== undefined && !Array.isArray(others))
    throw new MatrixError('M_INVALID_PARAM', 'alt_aliases is not an array')
  const all: Json[] = [...((others ?? []) as readonly Json[])]
  if (alias !== undefined && alias !== null && alias !== '') all.push(alias)
  return [...new Set(all)]
}

async function assertLeadsTo(deps: RoomsDeps, value: Json, roomId: RoomId): Promise<void> {
  const alias = parseRoomAlias(value)
  if (alias === undefined) throw new MatrixError('M_INVALID_PARAM', 'Not a valid room alias')
  const found = await resolveAlias(deps, alias).catch(() => undefined)
  if (found?.roomId !== roomId) throw new MatrixError('M_BAD_ALIAS', 'The alias does not lead to this room')
}

/** Takes an alias that was deleted out of the room's own list, where the user may change that. */
export async function dropFromCanonicalAlias(
  deps: RoomsDeps,
  { userId, userNid }: Actor,
  room: Room,
  alias: RoomAlias,
): Promise<void> {
  await writeInRoom(deps, room, [userNid], async (tx, current) => {
    const event = await deps.roomCache.stateEvent(tx, current, 'm.room.canonical_alias', '')
    if (event === undefined || !(await maySendState(tx, deps, current, userId, 'm.room.canonical_alias'))) return
    const { alias: main, alt_aliases: others, ...rest } = event.content
    const kept = Array.isArray(others) ? (others as readonly Json[]).filter((other) => other !== alias) : undefined
    const isListed = main === alias || (Array.isArray(others) && kept?.length !== others.length)
    if (!isListed) return
    const content: JsonObject = {
      ...rest,
      ...(main === undefined || main === alias ? {} : { alias: main }),
      ...(kept === undefined || kept.length === 0 ? {} : { alt_aliases: kept }),
    }
    await appendLocal(tx, deps, current, { type: 'm.room.canonical_alias', stateKey: '', content, sender: userId })
  })
}
