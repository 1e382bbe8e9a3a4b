import { bool, int, json, serial, table, text } from '../kit.ts'

/** Every user that any row names, local or remote. The row is the tombstone of the name: it is never deleted. */
export const users = table(
  'users',
  {
    user_nid: serial().of('user'),
    user_id: text(),
    server_nid: int(),
    /** T0 of this user's newest erasure, local or forwarded to us; pruning reads this. */
    erased_ts: int().null(),
    erasure_mode: text().null(),
    /** A remote user who came back after an erasure: events from this moment on are normal again. */
    returned_ts: int().null(),
  },
  {
    indexes: [
      { name: 'users_by_id', on: ['user_id'], unique: true },
      { name: 'users_erased', on: ['erased_ts'], where: 'erased_ts is not null' },
    ],
  },
  {
    holds: 'user ids that appear in rooms',
    purpose: 'events, memberships and relations refer to people by a short number',
    subject: ['user_nid'],
    retention: 'as long as a room names the user',
    erasure: 'keep',
    reason: 'the user id stays visible in rooms (P4); the erasure mark must outlive the person',
    export: 'account.json',
  },
)

/** A local account. */
export const accounts = table(
  'accounts',
  {
    user_nid: int().of('user'),
    /** bcrypt of the peppered password; null: cannot log in by password. */
    password_hash: text().null(),
    pepper_id: text().null(),
    /** `user`, `guest` or `appservice`. */
    kind: text(),
    admin: bool(),
    created_ts: int(),
    deactivated_ts: int().null(),
    locked: bool(),
    suspended: bool(),
    application_service_id: text().null(),
  },
  { primary: ['user_nid'] },
  {
    holds: 'local accounts and password hashes',
    purpose: 'logging in',
    subject: ['user_nid'],
    retention: 'until deactivation; the empty row stays so that the name is never given out again',
    erasure: 'prune',
    export: 'account.json',
  },
)

/** Names that are never given out again (P5), by case-folded localpart. */
export const tombstones = table(
  'tombstones',
  { localpart: text().of('user'), user_id: text(), reason: text(), created_ts: int() },
  { primary: ['localpart'] },
  {
    holds: 'localparts of deactivated and erased accounts',
    purpose: 'a name is never given out again (P5)',
    subject: ['localpart'],
    retention: 'for ever',
    erasure: 'keep',
    reason: 'without it somebody else could become the erased person',
    export: null,
  },
)

/** One field of a local user's profile (`displayname`, `avatar_url`, and any other). */
export const profiles = table(
  'profiles',
  { user_nid: int().of('user'), field: text(), value: json() },
  {
    primary: ['user_nid', 'field'],
    indexes: [{ name: 'profiles_by_picture', on: ['value'], where: "field = 'avatar_url'" }],
  },
  {
    holds: 'display name, avatar and other profile fields',
    purpose: 'shown to other people',
    subject: ['user_nid'],
    retention: 'until changed or the account is deactivated with erase',
    erasure: 'delete',
    export: 'profile.json',
  },
)

export const devices = table(
  'devices',
  {
    user_nid: int().of('user'),
    device_id: text(),
    display_name: text().null(),
    created_ts: int(),
    last_seen_ts: int().null(),
    /** Masked before it is stored (P23). */
    last_seen_address: text().null(),
    user_agent: text().null(),
  },
  {
    primary: ['user_nid', 'device_id'],
    indexes: [{ name: 'devices_by_seen', on: ['last_seen_ts'], where: 'last_seen_address is not null' }],
  },
  {
    holds: 'sessions: device name, masked address, user agent, last seen',
    purpose: 'so that a person can manage their sessions (P13)',
    subject: ['user_nid'],
    retention: 'until logout; address and user agent 28 days',
    erasure: 'delete',
    export: 'devices.json',
  },
)

/** Only hashes of tokens are stored. */
export const access_tokens = table(
  'access_tokens',
  {
    token_hash: text(),
    user_nid: int().of('user'),
    device_id: text().null(),
    created_ts: int(),
    expires_ts: int().null(),
    /** The refresh token that made this one. */
    refresh_hash: text().null(),
    used: bool(),
  },
  {
    primary: ['token_hash'],
    indexes: [{ name: 'access_tokens_by_user', on: ['user_nid', 'device_id'] }],
  },
  {
    holds: 'hashes of access tokens',
    purpose: 'knowing who makes a request',
    subject: ['user_nid'],
    retention: 'until logout or expiry',
    erasure: 'delete',
    export: null,
    exportReason: 'secrets',
  },
)

export const refresh_tokens = table(
  'refresh_tokens',
  {
    token_hash: text(),
    user_nid: int().of('user'),
    device_id: text(),
    family: text(),
    expires_ts: int().null(),
    /** The refresh token that replaced this one; the old form works until the new one is used. */
    next_hash: text().null(),
    used: bool(),
  },
  {
    primary: ['token_hash'],
    indexes: [
      { name: 'refresh_tokens_by_user', on: ['user_nid', 'device_id'] },
      { name: 'refresh_tokens_by_family', on: ['family'] },
    ],
  },
  {
    holds: 'hashes of refresh tokens',
    purpose: 'renewing access tokens',
    subject: ['user_nid'],
    retention: 'until logout or expiry',
    erasure: 'delete',
    export: null,
    exportReason: 'secrets',
  },
)

/** Tokens that live for minutes: for one log-in, or to tell a third party who somebody is. Only hashes. */
export const short_tokens = table(
  'short_tokens',
  { token_hash: text(), kind: text(), user_nid: int().of('user'), expires_ts: int() },
  {
    primary: ['token_hash'],
    indexes: [
      { name: 'short_tokens_by_user', on: ['user_nid'] },
      { name: 'short_tokens_by_age', on: ['expires_ts'] },
    ],
  },
  {
    holds: 'hashes of log-in and OpenID tokens',
    purpose: 'logging in a second device; proving who one is to another service',
    subject: ['user_nid'],
    retention: 'minutes; OpenID tokens an hour',
    erasure: 'delete',
    export: null,
    exportReason: 'secrets',
  },
)

/** User-interactive authentication sessions; the request body is held as a hash only. */
export const uia_sessions = table(
  'uia_sessions',
  {
    session_id: text(),
    user_nid: int().null().of('user'),
    operation: text(),
    completed: json(),
    /** The name and device asked for at registration, the token used: what must not change between the stages. */
    bound: json(),
    created_ts: int(),
  },
  { primary: ['session_id'], indexes: [{ name: 'uia_sessions_by_user', on: ['user_nid'] }] },
  {
    holds: 'half-finished confirmations of identity',
    purpose: 'user-interactive authentication',
    subject: ['user_nid'],
    retention: '1 hour',
    erasure: 'delete',
    export: null,
    exportReason: 'lives an hour',
  },
)

export const registration_tokens = table(
  'registration_tokens',
  {
    token: text(),
    uses_allowed: int().null(),
    pending: int().default(0),
    completed: int().default(0),
    expires_ts: int().null(),
  },
  { primary: ['token'] },
  {
    holds: 'registration tokens',
    purpose: 'closed registration',
    subject: [],
    retention: 'until deleted by an operator',
    erasure: 'keep',
    reason: 'names nobody',
    export: null,
  },
)

export const filters = table(
  'filters',
  { filter_nid: serial(), user_nid: int().of('user'), filter: json() },
  { indexes: [{ name: 'filters_by_user', on: ['user_nid', 'filter_nid'] }] },
  {
    holds: 'sync filters that a client stored',
    purpose: 'sync',
    subject: ['user_nid'],
    retention: 'as long as the account',
    erasure: 'delete',
    export: 'filters.json',
  },
)

/** Account data; `room_nid` 0 is global. A deleted item stays as null content until every reader passed it. */
export const account_data = table(
  'account_data',
  {
    user_nid: int().of('user'),
    room_nid: int(),
    type: text(),
    content: json().null(),
    writer: int(),
    pos: int(),
  },
  {
    primary: ['user_nid', 'room_nid', 'type'],
    indexes: [{ name: 'account_data_by_pos', on: ['user_nid', 'writer', 'pos'] }],
  },
  {
    holds: 'settings, tags, direct chats, ignored users, as clients store them',
    purpose: 'the same settings on every device',
    subject: ['user_nid'],
    retention: 'as long as the account',
    erasure: 'delete',
    export: 'account_data.json',
  },
)

/** A user's changes of the predefined push rules, and rules of their own. */
export const push_rules = table(
  'push_rules',
  { user_nid: int().of('user'), rules: json(), writer: int(), pos: int() },
  { primary: ['user_nid'] },
  {
    holds: 'notification rules',
    purpose: 'deciding what notifies',
    subject: ['user_nid'],
    retention: 'as long as the account',
    erasure: 'delete',
    export: 'push_rules.json',
  },
)

/** Decisions that a person answers for: who did what to whom, without any content. */
export const audit = table(
  'audit',
  {
    audit_nid: serial(),
    ts: int(),
    actor: text().of('user'),
    action: text(),
    target: text().null().of('user'),
    reason: text().null(),
  },
  { indexes: [{ name: 'audit_by_target', on: ['target'] }] },
  {
    holds: 'decisions of operators',
    purpose: 'accountability',
    subject: ['actor', 'target'],
    retention: '180 days; erasure decisions for ever',
    erasure: 'keep',
    reason: 'proof of why and by whom an account was erased (GDPR article 5(2))',
    export: 'audit.json',
  },
)
