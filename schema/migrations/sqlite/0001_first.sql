create table erasures (
  erasure_nid integer primary key autoincrement,
  id text not null,
  user_nid integer not null,
  mode text not null,
  state text not null,
  resume_state text,
  requested_ts integer not null,
  deadline_ts integer not null,
  not_before_ts integer not null,
  locked_ts integer,
  scrubbed_ts integer,
  collected_ts integer,
  settled_ts integer,
  closed_ts integer,
  requested_by text not null,
  reason text,
  receipt_hash text not null,
  salt blob not null,
  journal_seq integer not null,
  counts text not null,
  lease_until_ts integer not null default 0,
  fence integer not null default 0
) strict;
create unique index erasures_by_id on erasures (id);
create index erasures_by_user on erasures (user_nid);
create unique index erasures_by_receipt on erasures (receipt_hash);

create table erasure_rooms (
  erasure_nid integer not null,
  room_nid integer not null,
  state text not null,
  events integer not null default 0,
  redactions_sent integer not null default 0,
  last_redaction_nid integer,
  not_before_ts integer not null default 0,
  attempts integer not null default 0,
  error text,
  primary key (erasure_nid, room_nid)
) strict, without rowid;

create table erasure_events (
  erasure_nid integer not null,
  event_nid integer not null,
  room_nid integer not null,
  outcome text not null,
  primary key (erasure_nid, event_nid)
) strict, without rowid;
create index erasure_events_by_room on erasure_events (erasure_nid, room_nid, outcome);

create table erasure_peers (
  erasure_nid integer not null,
  server_nid integer not null,
  state text not null,
  attempts integer not null default 0,
  next_ts integer not null,
  last_ts integer,
  last_error text,
  primary key (erasure_nid, server_nid)
) strict, without rowid;
create index erasure_peers_due on erasure_peers (state, next_ts);

create table erasure_media (
  erasure_nid integer not null,
  media_nid integer not null,
  state text not null,
  primary key (erasure_nid, media_nid)
) strict, without rowid;

create table inbound_erasures (
  user_nid integer primary key,
  received_ts integer not null,
  quarantine_until_ts integer not null,
  done_ts integer,
  journal_seq integer not null
) strict;

create table certificates (
  certificate_nid integer primary key autoincrement,
  erasure_nid integer not null,
  certificate text not null,
  hash text not null
) strict;
create unique index certificates_by_erasure on certificates (erasure_nid);

create table journal_lines (
  seq integer primary key,
  line text not null
) strict;

create table facts (
  name text not null,
  value text not null,
  primary key (name)
) strict, without rowid;

create table jobs (
  job_nid integer primary key autoincrement,
  kind text not null,
  key text not null,
  payload text not null,
  due_ts integer not null,
  attempts integer not null default 0,
  lease_until_ts integer not null default 0,
  fence integer not null default 0,
  done integer not null
) strict;
create unique index jobs_by_key on jobs (kind, key);
create index jobs_due on jobs (due_ts);

create table events (
  event_nid integer primary key autoincrement,
  event_id text not null,
  room_nid integer not null,
  type text not null,
  state_key_nid integer,
  sender_nid integer not null,
  origin_server_ts integer not null,
  depth integer not null,
  ord integer,
  writer integer not null,
  pos integer not null,
  state_before integer,
  state_after integer,
  current_after integer,
  outlier integer not null,
  rejected text,
  soft_failed integer not null,
  backfilled integer not null,
  partial_state integer not null,
  local integer not null,
  redacted_by integer,
  pruned_ts integer,
  thread_id text,
  notify_ord integer,
  auth_edges blob,
  received_ts integer not null,
  json text not null
) strict;
create unique index events_by_id on events (event_id);
create index events_by_ord on events (room_nid, ord) where ord is not null;
create index events_by_sender on events (sender_nid, room_nid, event_nid);
create index events_outbound on events (room_nid, event_nid) where local;
create index events_by_state_key on events (state_key_nid) where state_key_nid is not null;
create index events_notifying on events (room_nid, thread_id, ord) where notify_ord is not null;
create index events_notifying_in_threads on events (room_nid, ord) where notify_ord is not null and thread_id is not null;
create index events_notified_pruned on events (room_nid, thread_id, ord) where notify_ord is not null and pruned_ts is not null;

create table state_keys (
  state_key_nid integer primary key autoincrement,
  type text not null,
  state_key text not null
) strict;
create unique index state_keys_by_key on state_keys (type, state_key);

create table state_groups (
  group_nid integer primary key autoincrement,
  room_nid integer not null,
  parent integer,
  layer integer not null,
  hash blob not null,
  delta blob not null
) strict;
create unique index state_groups_by_hash on state_groups (room_nid, hash);

create table forward_extremities (
  room_nid integer not null,
  event_nid integer not null,
  primary key (room_nid, event_nid)
) strict, without rowid;

create table backward_extremities (
  room_nid integer not null,
  event_id text not null,
  referrer_nid integer not null,
  primary key (room_nid, event_id, referrer_nid)
) strict, without rowid;

create table redactions (
  redaction_nid integer primary key,
  room_nid integer not null,
  redacts text not null,
  sender_nid integer not null,
  applied integer not null
) strict;
create index redactions_by_target on redactions (redacts);

create table relations (
  event_nid integer primary key,
  room_nid integer not null,
  parent_event_id text not null,
  rel_type text not null,
  aggregation_key text,
  sender_nid integer not null
) strict;
create index relations_by_parent on relations (parent_event_id, rel_type, event_nid);
create index relations_by_sender on relations (sender_nid);

create table event_media (
  event_nid integer not null,
  origin text not null,
  media_id text not null,
  primary key (event_nid, origin, media_id)
) strict, without rowid;
create index event_media_by_media on event_media (origin, media_id);

create table staged_events (
  staged_nid integer primary key autoincrement,
  origin_nid integer not null,
  room_id text not null,
  event_id text not null,
  sender text not null,
  json text not null,
  received_ts integer not null
) strict;
create unique index staged_by_event on staged_events (room_id, event_id);

create table event_transactions (
  event_nid integer primary key,
  user_nid integer not null,
  device_id text not null,
  txn_id text not null,
  created_ts integer not null
) strict;
create index event_transactions_by_id on event_transactions (user_nid, device_id, txn_id);

create table server_keys (
  server_nid integer not null,
  key_id text not null,
  public_key text not null,
  valid_until_ts integer not null,
  expired_ts integer,
  source text not null,
  fetched_ts integer not null,
  document text not null,
  primary key (server_nid, key_id)
) strict;

create table destinations (
  server_nid integer primary key,
  failing_since_ts integer,
  retry_ts integer not null default 0,
  interval_ms integer not null default 0,
  last_ok_ts integer,
  lease_writer integer,
  lease_until_ts integer not null default 0,
  fence integer not null default 0
) strict;

create table outbound_rooms (
  server_nid integer not null,
  room_nid integer not null,
  sent_nid integer not null,
  until_nid integer,
  primary key (server_nid, room_nid)
) strict, without rowid;
create index outbound_rooms_by_room on outbound_rooms (room_nid);

create table outbound_edus (
  edu_nid integer primary key autoincrement,
  server_nid integer not null,
  type text not null,
  user_nid integer not null,
  content text not null,
  created_ts integer not null
) strict;
create index outbound_edus_by_server on outbound_edus (server_nid, edu_nid);
create index outbound_edus_by_user on outbound_edus (user_nid);

create table outbound_transactions (
  server_nid integer primary key,
  txn_id text not null,
  body text not null,
  marks text not null,
  event_nids text not null,
  epoch integer not null,
  created_ts integer not null
) strict;

create table inbound_transactions (
  origin_nid integer not null,
  txn_id text not null,
  response text not null,
  received_ts integer not null,
  primary key (origin_nid, txn_id)
) strict;
create index inbound_transactions_by_age on inbound_transactions (received_ts);

create table media (
  media_nid integer primary key autoincrement,
  origin text not null,
  media_id text not null,
  uploader_nid integer,
  sha256 text,
  size integer not null,
  content_type text,
  file_name text,
  created_ts integer not null,
  last_access_ts integer not null,
  withdrawn_ts integer,
  released_ts integer,
  quarantined integer not null
) strict;
create unique index media_by_id on media (origin, media_id);
create index media_by_uploader on media (uploader_nid) where uploader_nid is not null;
create index media_by_blob on media (sha256);
create index media_by_release on media (released_ts) where released_ts is not null;

create table media_blobs (
  sha256 text not null,
  size integer not null,
  created_ts integer not null,
  primary key (sha256)
) strict, without rowid;

create table thumbnails (
  sha256 text not null,
  width integer not null,
  height integer not null,
  method text not null,
  animated integer not null,
  content_type text not null,
  size integer not null,
  primary key (sha256, width, height, method, animated)
) strict, without rowid;

create table media_fetches (
  media_nid integer not null,
  user_nid integer not null,
  server_nid integer not null,
  first_ts integer not null,
  primary key (media_nid, user_nid, server_nid)
) strict, without rowid;
create index media_fetches_by_user on media_fetches (user_nid);

create table rooms (
  room_nid integer primary key autoincrement,
  room_id text not null,
  version text not null,
  revision integer not null default 0,
  next_ord integer not null default 1,
  next_back_ord integer not null default -1,
  partial_state integer not null,
  published integer not null,
  current_group integer,
  last_local_nid integer not null default 0
) strict;
create unique index rooms_by_id on rooms (room_id);

create table current_state (
  room_nid integer not null,
  state_key_nid integer not null,
  event_nid integer not null,
  primary key (room_nid, state_key_nid)
) strict, without rowid;

create table memberships (
  user_nid integer not null,
  room_nid integer not null,
  membership text not null,
  event_nid integer not null,
  sender_nid integer not null,
  local integer not null,
  forgotten integer not null,
  stripped_state text,
  writer integer not null,
  pos integer not null,
  ord integer,
  display_name text,
  avatar_url text,
  primary key (user_nid, room_nid)
) strict;
create index memberships_by_room on memberships (room_nid, membership, user_nid);
create index memberships_local on memberships (room_nid, membership, user_nid) where local;
create index memberships_by_pos on memberships (user_nid, writer, pos) where local;

create table room_summaries (
  room_nid integer primary key,
  name text,
  topic text,
  avatar_url text,
  canonical_alias text,
  room_type text,
  encryption text,
  join_rule text,
  history_visibility text,
  guest_access text,
  tombstone text,
  creator text,
  joined_count integer not null default 0,
  invited_count integer not null default 0,
  heroes text,
  writer integer not null,
  pos integer not null,
  last_ord integer not null default 0,
  bump_ord integer not null default 0,
  bump_ts integer not null default 0
) strict;
create index room_summaries_by_pos on room_summaries (writer, pos);

create table servers (
  server_nid integer primary key autoincrement,
  name text not null
) strict;
create unique index servers_by_name on servers (name);

create table room_hosts (
  room_nid integer not null,
  server_nid integer not null,
  joined integer not null,
  members integer not null default 0,
  first_ts integer not null,
  primary key (room_nid, server_nid)
) strict, without rowid;
create index room_hosts_by_server on room_hosts (server_nid, room_nid);

create table room_aliases (
  alias text not null,
  room_id text not null,
  creator_nid integer,
  created_ts integer not null,
  primary key (alias)
) strict, without rowid;
create index room_aliases_by_room on room_aliases (room_id);
create index room_aliases_by_creator on room_aliases (creator_nid);

create table receipts (
  room_nid integer not null,
  user_nid integer not null,
  type text not null,
  thread_id text not null,
  event_id text not null,
  ord integer,
  ts integer not null,
  writer integer not null,
  pos integer not null,
  primary key (room_nid, user_nid, type, thread_id)
) strict, without rowid;
create index receipts_by_pos on receipts (room_nid, writer, pos);
create index receipts_by_user on receipts (user_nid);

create table room_receipt_positions (
  room_nid integer not null,
  writer integer not null,
  pos integer not null,
  primary key (room_nid, writer)
) strict, without rowid;
create index room_receipt_positions_by_pos on room_receipt_positions (writer, pos);

create table user_notifications (
  user_nid integer not null,
  room_nid integer not null,
  event_nid integer not null,
  thread_id text not null,
  ord integer not null,
  highlight integer not null,
  differs integer not null,
  primary key (user_nid, room_nid, event_nid)
) strict, without rowid;
create index user_notifications_by_event on user_notifications (event_nid);

create table writers (
  writer_nid integer primary key autoincrement,
  name text not null,
  position integer not null default 0,
  batch integer not null default 0,
  lease_until_ts integer,
  fence integer not null default 0
) strict;

create table epochs (
  name text not null,
  value integer not null default 0,
  primary key (name)
) strict, without rowid;

create table users (
  user_nid integer primary key autoincrement,
  user_id text not null,
  server_nid integer not null,
  erased_ts integer,
  erasure_mode text,
  returned_ts integer
) strict;
create unique index users_by_id on users (user_id);
create index users_erased on users (erased_ts) where erased_ts is not null;

create table accounts (
  user_nid integer primary key,
  password_hash text,
  pepper_id text,
  kind text not null,
  admin integer not null,
  created_ts integer not null,
  deactivated_ts integer,
  locked integer not null,
  suspended integer not null,
  application_service_id text
) strict;

create table tombstones (
  localpart text not null,
  user_id text not null,
  reason text not null,
  created_ts integer not null,
  primary key (localpart)
) strict, without rowid;

create table profiles (
  user_nid integer not null,
  field text not null,
  value text not null,
  primary key (user_nid, field)
) strict;
create index profiles_by_picture on profiles (value) where field = 'avatar_url';

create table devices (
  user_nid integer not null,
  device_id text not null,
  display_name text,
  created_ts integer not null,
  last_seen_ts integer,
  last_seen_address text,
  user_agent text,
  primary key (user_nid, device_id)
) strict, without rowid;
create index devices_by_seen on devices (last_seen_ts) where last_seen_address is not null;

create table access_tokens (
  token_hash text not null,
  user_nid integer not null,
  device_id text,
  created_ts integer not null,
  expires_ts integer,
  refresh_hash text,
  used integer not null,
  primary key (token_hash)
) strict, without rowid;
create index access_tokens_by_user on access_tokens (user_nid, device_id);

create table refresh_tokens (
  token_hash text not null,
  user_nid integer not null,
  device_id text not null,
  family text not null,
  expires_ts integer,
  next_hash text,
  used integer not null,
  primary key (token_hash)
) strict, without rowid;
create index refresh_tokens_by_user on refresh_tokens (user_nid, device_id);
create index refresh_tokens_by_family on refresh_tokens (family);

create table short_tokens (
  token_hash text not null,
  kind text not null,
  user_nid integer not null,
  expires_ts integer not null,
  primary key (token_hash)
) strict, without rowid;
create index short_tokens_by_user on short_tokens (user_nid);
create index short_tokens_by_age on short_tokens (expires_ts);

create table uia_sessions (
  session_id text not null,
  user_nid integer,
  operation text not null,
  completed text not null,
  bound text not null,
  created_ts integer not null,
  primary key (session_id)
) strict;
create index uia_sessions_by_user on uia_sessions (user_nid);

create table registration_tokens (
  token text not null,
  uses_allowed integer,
  pending integer not null default 0,
  completed integer not null default 0,
  expires_ts integer,
  primary key (token)
) strict, without rowid;

create table filters (
  filter_nid integer primary key autoincrement,
  user_nid integer not null,
  filter text not null
) strict;
create index filters_by_user on filters (user_nid, filter_nid);

create table account_data (
  user_nid integer not null,
  room_nid integer not null,
  type text not null,
  content text,
  writer integer not null,
  pos integer not null,
  primary key (user_nid, room_nid, type)
) strict;
create index account_data_by_pos on account_data (user_nid, writer, pos);

create table push_rules (
  user_nid integer primary key,
  rules text not null,
  writer integer not null,
  pos integer not null
) strict;

create table audit (
  audit_nid integer primary key autoincrement,
  ts integer not null,
  actor text not null,
  action text not null,
  target text,
  reason text
) strict;
create index audit_by_target on audit (target);
