import type { Conn } from './database.ts'
import { escapeLike, sqlQuery } from './query.ts'

/** Which published rooms are wanted. */
export interface DirectorySearch {
  /** part of a name, topic or address, in lower case; undefined for all rooms */
  readonly term: string | undefined
  /** room types, null for rooms without one; undefined for all */
  readonly types: readonly (string | null)[] | undefined
}

/** What the directory shows of a room. */
export interface PublishedRoom {
  readonly room_id: string
  readonly name: string | null
  readonly topic: string | null
  readonly avatar_url: string | null
  readonly canonical_alias: string | null
  readonly room_type: string | null
  readonly join_rule: string | null
  readonly history_visibility: string | null
  readonly guest_access: string | null
  readonly joined_count: number
}

type Filter = { all: number; term: string; anyType: number; plain: number; types: readonly string[] }

const matches = (list: (name: string, kind: 'int' | 'text') => string) => `r.published and s.joined_count > 0
  and (:all = 1 or lower(coalesce(s.name, '')) like :term escape '\\' or lower(coalesce(s.topic, '')) like :term escape '\\'
    or lower(coalesce(s.canonical_alias, '')) like :term escape '\\')
  and (:anyType = 1 or (:plain = 1 and s.room_type is null) or s.room_type in ${list('types', 'text')})`

const page = sqlQuery<Filter & { offset: number; limit: number }, PublishedRoom>(
  'list_published_rooms',
  ({ list }) => `select r.room_id, s.name, s.topic, s.avatar_url, s.canonical_alias, s.room_type, s.join_rule,
      s.history_visibility, s.guest_access, s.joined_count
    from rooms r join room_summaries s on s.room_nid = r.room_nid where ${matches(list)}
    order by s.joined_count desc, r.room_nid limit :limit offset :offset`,
)
const counted = sqlQuery<Filter, { n: number | string }>(
  'count_published_rooms',
  ({ list }) =>
    `select count(*) as n from rooms r join room_summaries s on s.room_nid = r.room_nid where ${matches(list)}`,
)

function filterOf({ term, types }: DirectorySearch): Filter {
  return {
    all: term === undefined ? 1 : 0,
    term: term === undefined ? '' : `%${escapeLike(term)}%`,
    anyType: types === undefined ? 1 : 0,
    plain: types?.includes(null) === true ? 1 : 0,
    types: types?.filter((type) => type !== null) ?? [],
  }
}

/** A page of the published rooms, those with most members first. */
export function listPublishedRooms(
  conn: Conn,
  search: DirectorySearch,
  offset: number,
  limit: number,
): Promise<PublishedRoom[]> {
  return page(conn, { ...filterOf(search), offset, limit })
}

/** How many published rooms a search finds. */
export async function countPublishedRooms(conn: Conn, search: DirectorySearch): Promise<number> {
  return Number((await counted.first(conn, filterOf(search)))?.n ?? 0)
}
