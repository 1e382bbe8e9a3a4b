import { bool, bytes, int, serial, table, text } from '../kit.ts'

/** Append-only rows; only flags change, and `json` when it is pruned at rest. */
export const events = table(
  'events',
  {
    event_nid: serial(),
    event_id: text(),
    room_nid: int(),
    type: text(),
    /** Interned (type, state_key); null for message events. */
    state_key_nid: int().null(),
    sender_nid: int().of('user'),
    origin_server_ts: int(),
    depth: int(),
    /** Order in the room: live events ascend from 1, backfilled ones descend below 0. Null: not in the timeline. */
    ord: int().null(),
    /** Stream position at which it became visible to readers. */
    writer: int(),
    pos: int(),
    /** State before the event and, of a state event, after it (else the same). Null: outlier. */
    state_before: int().null(),
    state_after: int().null(),
    /** The room's current state after it, where that is not `state_after`: while the graph was forked. */
    current_after: int().null(),
    outlier: bool(),
    rejected: text().null(),
    soft_failed: bool(),
    backfilled: bool(),
    partial_state: bool(),
    /** Built here: federation sends it. */
    local: bool(),
    /** The redaction event that applies to it. */
    redacted_by: int().null(),
    /** When its stored text was pruned, by redaction or erasure. */
    pruned_ts: int().null(),
    /** Thread root, of events in a thread. */
    thread_id: text().null(),
    /** Running number among the notifying events of the room outside threads, 0 in a thread; null: does not notify. */
    notify_ord: int().null(),
    /** Packed nids of the auth events, of state events. */
    auth_edges: bytes().null(),
    received_ts: int(),
    /** The PDU. Never touched by SQL JSON functions. */
    json: text(),
  },
  {
    indexes: [
      { name: 'events_by_id', on: ['event_id'], unique: true },
      { name: 'events_by_ord', on: ['room_nid', 'ord'], where: 'ord is not null' },
      { name: 'events_by_sender', on: ['sender_nid', 'room_nid', 'event_nid'] },
      { name: 'events_outbound', on: ['room_nid', 'event_nid'], where: 'local' },
      { name: 'events_by_state_key', on: ['state_key_nid'], where: 'state_key_nid is not null' },
      { name: 'events_notifying', on: ['room_nid', 'thread_id', 'ord'], where: 'notify_ord is not null' },
      {
        name: 'events_notifying_in_threads',
        on: ['room_nid', 'ord'],
        where: 'notify_ord is not null and thread_id is not null',
      },
      {
        name: 'events_notified_pruned',
        on: ['room_nid', 'thread_id', 'ord'],
        where: 'notify_ord is not null and pruned_ts is not null',
      },
    ],
  },
  {
    holds: 'events: messages, reactions, room state',
    purpose: 'the conversation itself',
    subject: ['sender_nid'],
    retention: 'as long as the room; operators may set a limit',
    erasure: 'prune',
    export: 'rooms/*.json',
  },
)

/** Interned (type, state_key). */
export const state_keys = table(
  'state_keys',
  { state_key_nid: serial(), type: text(), state_key: text().of('user') },
  { indexes: [{ name: 'state_keys_by_key', on: ['type', 'state_key'], unique: true }] },
  {
    holds: 'types and keys of room state, user ids of members among them',
    purpose: 'short numbers for room state',
    subject: ['state_key'],
    retention: 'as long as a room refers to it',
    erasure: 'keep',
    reason: 'the user id stays visible in rooms (P4)',
    export: null,
  },
)

/** State of a room at a point: a delta on a parent, at most 4 layers deep, deduplicated by hash. */
export const state_groups = table(
  'state_groups',
  {
    group_nid: serial(),
    room_nid: int(),
    parent: int().null(),
    layer: int(),
    /** Hash of the whole state. */
    hash: bytes(),
    /** Packed additions and removals of (state_key_nid, event_nid). */
    delta: bytes(),
  },
  { indexes: [{ name: 'state_groups_by_hash', on: ['room_nid', 'hash'], unique: true }] },
  {
    holds: 'numbers of the events that made up a room at a point',
    purpose: 'authorization and history visibility',
    subject: [],
    retention: 'as long as the room',
    erasure: 'keep',
    reason: 'numbers only; the events they name are pruned in their own table',
    export: null,
  },
)

export const forward_extremities = table(
  'forward_extremities',
  { room_nid: int(), event_nid: int() },
  { primary: ['room_nid', 'event_nid'] },
  {
    holds: 'the newest events of each room',
    purpose: 'prev_events of the next event',
    subject: [],
    retention: 'until a newer event refers to them',
    erasure: 'keep',
    reason: 'numbers only',
    export: null,
  },
)

/** Events that we refer to and do not have: where backfill goes on. */
export const backward_extremities = table(
  'backward_extremities',
  { room_nid: int(), event_id: text(), referrer_nid: int() },
  { primary: ['room_nid', 'event_id', 'referrer_nid'] },
  {
    holds: 'ids of events that are missing here',
    purpose: 'fetching older history',
    subject: [],
    retention: 'until fetched',
    erasure: 'keep',
    reason: 'ids only',
    export: null,
  },
)

/** What a redaction event names; it may arrive before its target. */
export const redactions = table(
  'redactions',
  {
    redaction_nid: int(),
    room_nid: int(),
    redacts: text(),
    sender_nid: int().of('user'),
    applied: bool(),
  },
  { primary: ['redaction_nid'], indexes: [{ name: 'redactions_by_target', on: ['redacts'] }] },
  {
    holds: 'which event redacts which',
    purpose: 'redactions that arrive before their target still apply (P10)',
    subject: ['sender_nid'],
    retention: 'as long as the room',
    erasure: 'keep',
    reason: 'what was redacted must stay redacted',
    export: null,
  },
)

/** Relations between events (`m.relates_to`). */
export const relations = table(
  'relations',
  {
    event_nid: int(),
    room_nid: int(),
    parent_event_id: text(),
    rel_type: text(),
    /** `key` of an annotation. */
    aggregation_key: text().null(),
    sender_nid: int().of('user'),
  },
  {
    primary: ['event_nid'],
    indexes: [
      { name: 'relations_by_parent', on: ['parent_event_id', 'rel_type', 'event_nid'] },
      { name: 'relations_by_sender', on: ['sender_nid'] },
    ],
  },
  {
    holds: 'which event edits, answers or reacts to which',
    purpose: 'edits, threads, reactions',
    subject: ['sender_nid'],
    retention: 'until the event is redacted',
    erasure: 'delete',
    export: null,
    exportReason: 'is in the exported events',
  },
)

/** Media that an event's content names, kept from the first day: it cannot be rebuilt from encrypted or pruned events. */
export const event_media = table(
  'event_media',
  { event_nid: int(), origin: text(), media_id: text() },
  {
    primary: ['event_nid', 'origin', 'media_id'],
    indexes: [{ name: 'event_media_by_media', on: ['origin', 'media_id'] }],
  },
  {
    holds: 'which event shows which file',
    purpose: 'who may read a file (P17), and which files an erasure covers',
    subject: [],
    retention: 'as long as the event',
    erasure: 'keep',
    reason: 'ids only; needed to know when nobody may read the file any more; the row of a deleted file goes with it',
    export: null,
  },
)

/** Events accepted into a transaction of a peer and not yet judged: survives a crash. */
export const staged_events = table(
  'staged_events',
  {
    staged_nid: serial(),
    origin_nid: int(),
    room_id: text(),
    event_id: text(),
    sender: text().of('user'),
    json: text(),
    received_ts: int(),
  },
  { indexes: [{ name: 'staged_by_event', on: ['room_id', 'event_id'], unique: true }] },
  {
    holds: 'events received from peers that wait to be checked, or for others that they name',
    purpose: 'nothing acknowledged is lost in a crash',
    subject: ['sender'],
    retention: 'until checked, a day at most',
    erasure: 'delete',
    export: null,
    exportReason: 'lives a day at most, then is an event',
  },
)

/** Runs of the client's transaction id, so that the sender's own devices recognise their event in `/sync`. */
export const event_transactions = table(
  'event_transactions',
  { event_nid: int(), user_nid: int().of('user'), device_id: text(), txn_id: text(), created_ts: int() },
  {
    primary: ['event_nid'],
    indexes: [{ name: 'event_transactions_by_id', on: ['user_nid', 'device_id', 'txn_id'] }],
  },
  {
    holds: 'transaction ids of sent events',
    purpose: 'a retried request is not sent twice; a device recognises what it sent itself',
    subject: ['user_nid'],
    retention: '48 hours',
    erasure: 'delete',
    export: null,
    exportReason: 'technical, lives two days',
  },
)
