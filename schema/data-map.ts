/** What erasure does to the rows (or files) of a person: see docs on erasure. */
export type Erasure = 'delete' | 'prune' | 'keep'

/** The data map entry of one table or file store: the one list that erasure, export, retention and the notice walk. */
export interface DataMapEntry<Column extends string = string> {
  /** whose data, and what, in words for the notice */
  holds: string
  /** what it is held for, in words for the notice */
  purpose: string
  /** the columns that say whose data a row is; none: no personal data */
  subject: readonly Column[]
  /** how long it is kept, in words for the notice */
  retention: string
  erasure: Erasure
  /** why it is kept; needed for `keep` */
  reason?: string
  /** the file of an export in which it appears, or null (then `exportReason` or `reason` says why) */
  export: string | null
  exportReason?: string
}

/** What the check of the map needs to know of a table. */
export interface MappedTable {
  readonly name: string
  readonly columns: Readonly<Record<string, { readonly subject: string | undefined }>>
  readonly map: DataMapEntry
}

/** A place outside the database that holds data; its path comes from the configuration. */
export interface FileStore extends DataMapEntry<never> {
  readonly name: string
}

/** Every place outside the database where data lies. */
export const fileStores: readonly FileStore[] = [
  {
    name: 'media',
    holds: 'files that local users uploaded or fetched, and thumbnails of them',
    purpose: 'so that those who may read a message see its files',
    subject: [],
    retention: 'until deleted; remote copies as long as the cache is configured to keep them',
    erasure: 'delete',
    export: 'media/',
  },
  {
    name: 'exports',
    holds: 'finished exports that wait to be fetched',
    purpose: 'so that you can see all that is held about you',
    subject: [],
    retention: '7 days unless configured otherwise',
    erasure: 'delete',
    export: null,
    exportReason: 'an export does not contain itself',
  },
  {
    name: 'logs',
    holds: 'times, routes and masked addresses of requests; never what people write, their names or tokens',
    purpose: 'to find faults and abuse',
    subject: [],
    retention: '28 days unless configured otherwise, never more than 180',
    erasure: 'keep',
    reason: 'holds nothing that names a person; gone by age',
    export: null,
  },
  {
    name: 'journal',
    holds: 'erasures and deactivations, with the user id',
    purpose: 'so that a restored backup does not bring back who was erased',
    subject: [],
    retention: 'as long as backups made before the erasure may exist',
    erasure: 'keep',
    reason: 'needed to repeat the erasure after a restore',
    export: null,
  },
  {
    name: 'keys',
    holds: 'the signing key of the server and the pepper of passwords',
    purpose: 'to sign what the server sends and to guard stored password hashes',
    subject: [],
    retention: 'until rotated',
    erasure: 'keep',
    reason: 'not personal data',
    export: null,
  },
]

/** What is wrong with the map: one sentence per fault, none when it is complete. */
export function checkDataMap(tables: readonly MappedTable[], stores: readonly FileStore[] = fileStores): string[] {
  const faults = stores.flatMap((store) => checkEntry(`file store ${store.name}`, store, false))
  const names = new Set<string>()
  for (const { name, columns, map } of tables) {
    if (names.has(name)) faults.push(`table ${name} is declared twice`)
    names.add(name)
    faults.push(...checkEntry(`table ${name}`, map, map.subject.length > 0))
    for (const column of map.subject) {
      if (!(column in columns)) faults.push(`table ${name}: subject ${column} is no column`)
    }
    for (const [column, { subject }] of Object.entries(columns)) {
      if (subject === 'user' && !map.subject.includes(column)) faults.push(`table ${name}: ${column} is not in subject`)
    }
  }
  return faults
}

function checkEntry(what: string, entry: DataMapEntry, personal: boolean): string[] {
  const faults: string[] = []
  for (const key of ['holds', 'purpose', 'retention'] as const) {
    if (entry[key].trim() === '') faults.push(`${what}: ${key} is empty`)
  }
  if (entry.erasure === 'keep' && !entry.reason) faults.push(`${what}: kept without a reason`)
  if (personal && entry.export === null && !(entry.exportReason ?? entry.reason)) {
    faults.push(`${what}: not exported, without a reason`)
  }
  return faults
}
