import { bool, bytes, int, json, serial, table, text } from '../kit.ts'

/** One erasure: the job, resumable at any step. */
export const erasures = table(
  'erasures',
  {
    erasure_nid: serial(),
    id: text(),
    user_nid: int().of('user'),
    mode: text(),
    /** LOCKED … CLOSED, HELD, STUCK, CANCELLED. */
    state: text(),
    /** While the state is HELD or STUCK: the step in which the job goes on. */
    resume_state: text().null(),
    requested_ts: int(),
    deadline_ts: int(),
    /** What cannot be taken back waits until here. */
    not_before_ts: int(),
    locked_ts: int().null(),
    /** When SCRUB was done, though the job may still wait for `erasure.delay`. */
    scrubbed_ts: int().null(),
    /** When everything was deleted and only the rewrite of the database is missing. */
    collected_ts: int().null(),
    settled_ts: int().null(),
    closed_ts: int().null(),
    /** `self` or the operator. */
    requested_by: text(),
    reason: text().null(),
    receipt_hash: text(),
    salt: bytes(),
    /** Line of the journal. */
    journal_seq: int(),
    counts: json(),
    lease_until_ts: int().default(0),
    fence: int().default(0),
  },
  {
    indexes: [
      { name: 'erasures_by_id', on: ['id'], unique: true },
      { name: 'erasures_by_user', on: ['user_nid'] },
      { name: 'erasures_by_receipt', on: ['receipt_hash'], unique: true },
    ],
  },
  {
    holds: 'erasures: whose, when, how far',
    purpose: 'doing and proving the erasure',
    subject: ['user_nid'],
    retention: 'for ever',
    erasure: 'keep',
    reason: 'proof of erasure; holds no content',
    export: null,
  },
)

/** Rooms of an erasure (census), and how the work in each stands. */
export const erasure_rooms = table(
  'erasure_rooms',
  {
    erasure_nid: int(),
    room_nid: int(),
    /** `pending`, `redacted`, `leaving`, `done`, or `failed` (network half given up). */
    state: text(),
    events: int().default(0),
    redactions_sent: int().default(0),
    last_redaction_nid: int().null(),
    not_before_ts: int().default(0),
    attempts: int().default(0),
    error: text().null(),
  },
  { primary: ['erasure_nid', 'room_nid'] },
  {
    holds: 'rooms that an erasure works through',
    purpose: 'resuming the job',
    subject: [],
    retention: 'until the erasure is closed',
    erasure: 'delete',
    export: null,
  },
)

/** What became of each event of the erased person. */
export const erasure_events = table(
  'erasure_events',
  { erasure_nid: int(), event_nid: int(), room_nid: int(), outcome: text() },
  {
    primary: ['erasure_nid', 'event_nid'],
    indexes: [{ name: 'erasure_events_by_room', on: ['erasure_nid', 'room_nid', 'outcome'] }],
  },
  {
    holds: 'numbers of the events that an erasure covers',
    purpose: 'resuming the job, counting for the receipt',
    subject: [],
    retention: 'until the erasure is closed',
    erasure: 'delete',
    export: null,
  },
)

/** The ledger: who was told, and what they answered. */
export const erasure_peers = table(
  'erasure_peers',
  {
    erasure_nid: int(),
    server_nid: int(),
    /** pending, acknowledged, unsupported, refused, expired. */
    state: text(),
    attempts: int().default(0),
    next_ts: int(),
    last_ts: int().null(),
    last_error: text().null(),
  },
  {
    primary: ['erasure_nid', 'server_nid'],
    indexes: [{ name: 'erasure_peers_due', on: ['state', 'next_ts'] }],
  },
  {
    holds: 'which servers were told of an erasure',
    purpose: 'forwarding with proof (P9)',
    subject: [],
    retention: 'for ever',
    erasure: 'keep',
    reason: 'proof of forwarding; names servers only',
    export: null,
  },
)

/** Files of an erasure. */
export const erasure_media = table(
  'erasure_media',
  { erasure_nid: int(), media_nid: int(), state: text() },
  { primary: ['erasure_nid', 'media_nid'] },
  {
    holds: 'files that an erasure covers',
    purpose: 'resuming the job',
    subject: [],
    retention: 'until the erasure is closed',
    erasure: 'delete',
    export: null,
  },
)

/** Erasures that another server forwarded to us (MSC2438). */
export const inbound_erasures = table(
  'inbound_erasures',
  {
    user_nid: int().of('user'),
    received_ts: int(),
    /** The destructive part waits until here. */
    quarantine_until_ts: int(),
    done_ts: int().null(),
    journal_seq: int(),
  },
  { primary: ['user_nid'] },
  {
    holds: 'erasures asked for by other servers',
    purpose: 'honouring them (P10)',
    subject: ['user_nid'],
    retention: 'for ever',
    erasure: 'keep',
    reason: 'proof of erasure; holds no content',
    export: null,
  },
)

/** Signed certificates, each bound to the one before. */
export const certificates = table(
  'certificates',
  { certificate_nid: serial(), erasure_nid: int(), certificate: json(), hash: text() },
  { indexes: [{ name: 'certificates_by_erasure', on: ['erasure_nid'], unique: true }] },
  {
    holds: 'certificates of erasure; the subject only as a salted hash',
    purpose: 'proof for the person',
    subject: [],
    retention: 'for ever',
    erasure: 'keep',
    reason: 'proof of erasure; names nobody',
    export: null,
  },
)

/** The journal's lines, where several processes share a database; each appends what is missing to its own file. */
export const journal_lines = table(
  'journal_lines',
  { seq: int(), line: text().of('user') },
  { primary: ['seq'] },
  {
    holds: 'journal of erasures, deactivations, cancellations',
    purpose: 'replaying erasures after a restored backup',
    subject: ['line'],
    retention: 'for ever',
    erasure: 'keep',
    reason: 'without it a restored backup would bring the person back',
    export: null,
  },
)

/** Facts about this database: server name, token epoch, journal position, last rewrite. */
export const facts = table(
  'facts',
  { name: text(), value: text() },
  { primary: ['name'] },
  {
    holds: 'settings that belong to the database itself',
    purpose: 'refusing a wrong database, journal or token',
    subject: [],
    retention: 'for ever',
    erasure: 'keep',
    reason: 'describes no person',
    export: null,
  },
)

/** Work that outlives a request: deletions of files, rewrites. Leased with a fencing number. */
export const jobs = table(
  'jobs',
  {
    job_nid: serial(),
    kind: text(),
    key: text(),
    payload: json(),
    due_ts: int(),
    attempts: int().default(0),
    lease_until_ts: int().default(0),
    fence: int().default(0),
    done: bool(),
  },
  {
    indexes: [
      { name: 'jobs_by_key', on: ['kind', 'key'], unique: true },
      { name: 'jobs_due', on: ['due_ts'] },
    ],
  },
  {
    holds: 'work to do: kinds and row numbers',
    purpose: 'background work that survives a crash',
    subject: [],
    retention: 'until done',
    erasure: 'keep',
    reason: 'numbers only',
    export: null,
  },
)
