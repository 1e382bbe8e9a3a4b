import { int, json, serial, table, text } from '../kit.ts'

/** Signing keys of other servers, and our own old ones. */
export const server_keys = table(
  'server_keys',
  {
    server_nid: int(),
    key_id: text(),
    public_key: text(),
    valid_until_ts: int(),
    /** From here on the key is old: it verifies events only. */
    expired_ts: int().null(),
    /** `own` (from the server itself) or the notary's name. */
    source: text(),
    fetched_ts: int(),
    /** The signed document it came in. */
    document: json(),
  },
  { primary: ['server_nid', 'key_id'] },
  {
    holds: 'public signing keys of servers',
    purpose: 'checking signatures',
    subject: [],
    retention: 'for ever: old events are checked with old keys',
    erasure: 'keep',
    reason: 'names servers, not people',
    export: null,
  },
)

/** How a destination has been answering. */
export const destinations = table(
  'destinations',
  {
    server_nid: int(),
    failing_since_ts: int().null(),
    retry_ts: int().default(0),
    interval_ms: int().default(0),
    last_ok_ts: int().null(),
    /** The process that sends to it, and until when; the fence grows with every new holder. */
    lease_writer: int().null(),
    lease_until_ts: int().default(0),
    fence: int().default(0),
  },
  { primary: ['server_nid'] },
  {
    holds: 'reachability of servers',
    purpose: 'retrying politely',
    subject: [],
    retention: 'as long as rooms are shared',
    erasure: 'keep',
    reason: 'names servers, not people',
    export: null,
  },
)

/** The high-water mark of a destination in a room. */
export const outbound_rooms = table(
  'outbound_rooms',
  {
    server_nid: int(),
    room_nid: int(),
    /** Every event of ours up to this one has been acknowledged. */
    sent_nid: int(),
    /** The last one it gets, after it has left the room; null while it is in it. */
    until_nid: int().null(),
  },
  { primary: ['server_nid', 'room_nid'], indexes: [{ name: 'outbound_rooms_by_room', on: ['room_nid'] }] },
  {
    holds: 'how far each server has our events',
    purpose: 'delivery with catch-up',
    subject: [],
    retention: 'as long as rooms are shared',
    erasure: 'keep',
    reason: 'numbers only',
    export: null,
  },
)

/** EDUs that must arrive: device lists, signing keys, to-device. */
export const outbound_edus = table(
  'outbound_edus',
  {
    edu_nid: serial(),
    server_nid: int(),
    type: text(),
    /** The user that it speaks of. */
    user_nid: int().of('user'),
    content: json(),
    created_ts: int(),
  },
  {
    indexes: [
      { name: 'outbound_edus_by_server', on: ['server_nid', 'edu_nid'] },
      { name: 'outbound_edus_by_user', on: ['user_nid'] },
    ],
  },
  {
    holds: 'updates for other servers that wait for delivery',
    purpose: 'reliable delivery',
    subject: ['user_nid'],
    retention: 'until delivered',
    erasure: 'delete',
    export: null,
    exportReason: 'copies of what is exported elsewhere, on their way',
  },
)

/** The one transaction in flight of a destination: same id and same body until it is acknowledged. */
export const outbound_transactions = table(
  'outbound_transactions',
  {
    server_nid: int(),
    txn_id: text(),
    body: text(),
    /** What is done when it is acknowledged: marks by room, the last reliable EDU. */
    marks: json(),
    /** Event nids inside, so that an erasure finds and rebuilds it. */
    event_nids: json(),
    /** The epoch of erasures when it was built: after another erasure it is compared with what may be sent now. */
    epoch: int(),
    created_ts: int(),
  },
  { primary: ['server_nid'] },
  {
    holds: 'the transaction that is being sent to a server',
    purpose: 'retrying exactly the same transaction',
    subject: [],
    retention: 'until acknowledged',
    erasure: 'delete',
    export: null,
  },
)

export const inbound_transactions = table(
  'inbound_transactions',
  { origin_nid: int(), txn_id: text(), response: json(), received_ts: int() },
  {
    primary: ['origin_nid', 'txn_id'],
    indexes: [{ name: 'inbound_transactions_by_age', on: ['received_ts'] }],
  },
  {
    holds: 'ids of received transactions and their answers',
    purpose: 'a repeated transaction is not applied twice',
    subject: [],
    retention: '7 days',
    erasure: 'keep',
    reason: 'event ids and error codes only',
    export: null,
  },
)
