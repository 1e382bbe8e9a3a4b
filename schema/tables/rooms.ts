import { bool, int, json, serial, table, text } from '../kit.ts'

/** The version row of a room: every write of the room locks it first. */
export const rooms = table(
  'rooms',
  {
    room_nid: serial(),
    room_id: text(),
    version: text(),
    /** Grows with every write of the room; a cached room that is behind reloads. */
    revision: int().default(0),
    next_ord: int().default(1),
    next_back_ord: int().default(-1),
    partial_state: bool(),
    /** Listed in the public room directory. */
    published: bool(),
    /** The state group of the current state. */
    current_group: int().null(),
    /** Newest event of ours that peers must get. */
    last_local_nid: int().default(0),
  },
  { indexes: [{ name: 'rooms_by_id', on: ['room_id'], unique: true }] },
  {
    holds: 'rooms that this server is or was in',
    purpose: 'conversations',
    subject: [],
    retention: 'until an operator purges the room',
    erasure: 'keep',
    reason: 'describes no person',
    export: null,
  },
)

export const current_state = table(
  'current_state',
  { room_nid: int(), state_key_nid: int(), event_nid: int() },
  { primary: ['room_nid', 'state_key_nid'] },
  {
    holds: 'numbers of the events that make up each room now',
    purpose: 'room state',
    subject: [],
    retention: 'as long as the room',
    erasure: 'keep',
    reason: 'numbers only',
    export: null,
  },
)

/** A user's current membership of a room, local and remote users. */
export const memberships = table(
  'memberships',
  {
    user_nid: int().of('user'),
    room_nid: int(),
    membership: text(),
    event_nid: int(),
    /** Who made it so: the inviter, the one who kicked. */
    sender_nid: int(),
    local: bool(),
    forgotten: bool(),
    /** Stripped state that came with an invite or knock of a local user. */
    stripped_state: json().null(),
    /** Position of the last change. */
    writer: int(),
    pos: int(),
    /** `ord` of the membership event, where it has one. */
    ord: int().null(),
    display_name: text().null(),
    avatar_url: text().null(),
  },
  {
    primary: ['user_nid', 'room_nid'],
    indexes: [
      { name: 'memberships_by_room', on: ['room_nid', 'membership', 'user_nid'] },
      { name: 'memberships_local', on: ['room_nid', 'membership', 'user_nid'], where: 'local' },
      { name: 'memberships_by_pos', on: ['user_nid', 'writer', 'pos'], where: 'local' },
    ],
  },
  {
    holds: 'who is in which room, under which name and avatar',
    purpose: 'member lists, sync',
    subject: ['user_nid'],
    retention: 'as long as the room',
    erasure: 'prune',
    export: 'memberships.json',
  },
)

/** What room lists show, kept in the write transaction. */
export const room_summaries = table(
  'room_summaries',
  {
    room_nid: int(),
    name: text().null(),
    topic: text().null(),
    avatar_url: text().null(),
    canonical_alias: text().null(),
    room_type: text().null(),
    encryption: text().null(),
    join_rule: text().null(),
    history_visibility: text().null(),
    guest_access: text().null(),
    tombstone: text().null(),
    creator: text().null(),
    joined_count: int().default(0),
    invited_count: int().default(0),
    /** Up to 6 user ids (`m.heroes` takes the first 5 that are not the reader). */
    heroes: json().null(),
    /** Newest live event: position, order, and the order of the newest that moves the room up in a list. */
    writer: int(),
    pos: int(),
    last_ord: int().default(0),
    bump_ord: int().default(0),
    bump_ts: int().default(0),
  },
  { primary: ['room_nid'], indexes: [{ name: 'room_summaries_by_pos', on: ['writer', 'pos'] }] },
  {
    holds: 'names, topics and counts of rooms',
    purpose: 'room lists',
    subject: [],
    retention: 'as long as the room',
    erasure: 'prune',
    export: null,
  },
)

export const servers = table(
  'servers',
  { server_nid: serial(), name: text() },
  { indexes: [{ name: 'servers_by_name', on: ['name'], unique: true }] },
  {
    holds: 'names of homeservers',
    purpose: 'short numbers for servers',
    subject: [],
    retention: 'for ever',
    erasure: 'keep',
    reason: 'names servers, not people',
    export: null,
  },
)

/** Which server was ever in which room, kept from the first day: erasures are forwarded to all of them. */
export const room_hosts = table(
  'room_hosts',
  {
    room_nid: int(),
    server_nid: int(),
    /** Has a joined member now. */
    joined: bool(),
    /** How many joined members it has. */
    members: int().default(0),
    first_ts: int(),
  },
  {
    primary: ['room_nid', 'server_nid'],
    indexes: [{ name: 'room_hosts_by_server', on: ['server_nid', 'room_nid'] }],
  },
  {
    holds: 'which servers ever took part in a room',
    purpose: 'forwarding erasures to everybody who holds a copy (P9)',
    subject: [],
    retention: 'as long as the room',
    erasure: 'keep',
    reason: 'names servers, not people',
    export: null,
  },
)

export const room_aliases = table(
  'room_aliases',
  { alias: text(), room_id: text(), creator_nid: int().null().of('user'), created_ts: int() },
  {
    primary: ['alias'],
    indexes: [
      { name: 'room_aliases_by_room', on: ['room_id'] },
      { name: 'room_aliases_by_creator', on: ['creator_nid'] },
    ],
  },
  {
    holds: 'room addresses and who made them',
    purpose: 'finding a room by its address',
    subject: ['creator_nid'],
    retention: 'until deleted',
    erasure: 'prune',
    export: 'aliases.json',
  },
)

export const receipts = table(
  'receipts',
  {
    room_nid: int(),
    user_nid: int().of('user'),
    /** `m.read`, `m.read.private`, or `own`: the user's own newest event, which counts as read (local users only). */
    type: text(),
    /** `main`, a thread root, or empty for an unthreaded receipt. */
    thread_id: text(),
    event_id: text(),
    /** `ord` of that event where we have it. */
    ord: int().null(),
    ts: int(),
    writer: int(),
    pos: int(),
  },
  {
    primary: ['room_nid', 'user_nid', 'type', 'thread_id'],
    indexes: [
      { name: 'receipts_by_pos', on: ['room_nid', 'writer', 'pos'] },
      { name: 'receipts_by_user', on: ['user_nid'] },
    ],
  },
  {
    holds: 'how far somebody has read',
    purpose: 'read markers, unread counts',
    subject: ['user_nid'],
    retention: 'until replaced',
    erasure: 'delete',
    export: 'receipts.json',
  },
)

/** Newest change of receipts in a room, so that sync asks only for rooms with something new. */
export const room_receipt_positions = table(
  'room_receipt_positions',
  { room_nid: int(), writer: int(), pos: int() },
  { primary: ['room_nid', 'writer'], indexes: [{ name: 'room_receipt_positions_by_pos', on: ['writer', 'pos'] }] },
  {
    holds: 'stream positions',
    purpose: 'sync',
    subject: [],
    retention: 'as long as the room',
    erasure: 'keep',
    reason: 'numbers only',
    export: null,
  },
)

/** Only what differs from the running count of notifying events (`events.notify_ord`): highlights, and events that a user's own rules judge otherwise. */
export const user_notifications = table(
  'user_notifications',
  {
    user_nid: int().of('user'),
    room_nid: int(),
    event_nid: int(),
    thread_id: text(),
    ord: int(),
    highlight: bool(),
    /** +1: notifies this user though not by default; −1: the reverse; 0: as by default. */
    differs: int(),
  },
  {
    primary: ['user_nid', 'room_nid', 'event_nid'],
    indexes: [{ name: 'user_notifications_by_event', on: ['event_nid'] }],
  },
  {
    holds: 'which messages mentioned somebody',
    purpose: 'highlight counts',
    subject: ['user_nid'],
    retention: 'until read',
    erasure: 'delete',
    export: null,
    exportReason: 'follows from the exported events',
  },
)
