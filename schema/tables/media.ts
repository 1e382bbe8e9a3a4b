import { bool, int, serial, table, text } from '../kit.ts'

/** A file that was uploaded here, or fetched from another server. */
export const media = table(
  'media',
  {
    media_nid: serial(),
    origin: text(),
    media_id: text(),
    uploader_nid: int().null().of('user'),
    /** Hex; null: upload not finished, or deleted. */
    sha256: text().null(),
    size: int(),
    content_type: text().null(),
    file_name: text().null(),
    created_ts: int(),
    last_access_ts: int(),
    /** Gone for everybody but its holders from this moment (T0 of the uploader's erasure). */
    withdrawn_ts: int().null(),
    /** When the last event that showed it was redacted: gone for everybody unless something shows it again. */
    released_ts: int().null(),
    quarantined: bool(),
  },
  {
    indexes: [
      { name: 'media_by_id', on: ['origin', 'media_id'], unique: true },
      { name: 'media_by_uploader', on: ['uploader_nid'], where: 'uploader_nid is not null' },
      { name: 'media_by_blob', on: ['sha256'] },
      { name: 'media_by_release', on: ['released_ts'], where: 'released_ts is not null' },
    ],
  },
  {
    holds: 'uploaded files and who uploaded them',
    purpose: 'pictures, files, avatars',
    subject: ['uploader_nid'],
    retention: 'until deleted; copies of remote files 90 days after last use',
    erasure: 'delete',
    export: 'media/*',
  },
)

/** A blob on disk, named by its hash; deleted when no row of `media` names it. */
export const media_blobs = table(
  'media_blobs',
  { sha256: text(), size: int(), created_ts: int() },
  { primary: ['sha256'] },
  {
    holds: 'files on disk, by hash',
    purpose: 'one copy of equal files',
    subject: [],
    retention: 'until no file refers to it',
    erasure: 'delete',
    export: null,
  },
)

export const thumbnails = table(
  'thumbnails',
  { sha256: text(), width: int(), height: int(), method: text(), animated: bool(), content_type: text(), size: int() },
  { primary: ['sha256', 'width', 'height', 'method', 'animated'] },
  {
    holds: 'smaller copies of pictures',
    purpose: 'thumbnails',
    subject: [],
    retention: 'as long as the picture',
    erasure: 'delete',
    export: null,
  },
)

/** Who fetched which file, kept from the first day: in encrypted rooms nothing else tells who holds it. */
export const media_fetches = table(
  'media_fetches',
  {
    media_nid: int(),
    /** A local user, or 0. */
    user_nid: int().of('user'),
    /** Another server, or 0. */
    server_nid: int(),
    first_ts: int(),
  },
  {
    primary: ['media_nid', 'user_nid', 'server_nid'],
    indexes: [{ name: 'media_fetches_by_user', on: ['user_nid'] }],
  },
  {
    holds: 'which user or server fetched which file',
    purpose: 'telling everybody who holds a copy of an erased file (P9), letting those who had it keep it (P2)',
    subject: ['user_nid'],
    retention: 'as long as the file',
    erasure: 'delete',
    export: null,
    exportReason: 'technical; the files themselves are exported',
  },
)
