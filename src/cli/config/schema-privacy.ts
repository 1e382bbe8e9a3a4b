import { boolean, choice, duration, integer, list, nullable, path, rate, text } from './kinds.ts'
import { section } from './section.ts'

const optionalText = (doc: string) => nullable(text(undefined, doc))

const processor = section('', {
  name: text(undefined, ''),
  purpose: optionalText(''),
  basis: optionalText(''),
  location: optionalText(''),
  data: optionalText(''),
  policy: optionalText(''),
})

const timeWindow = (value: string) =>
  /^([01]\d|2[0-3]):[0-5]\d-([01]\d|2[0-3]):[0-5]\d$/.test(value) ? undefined : 'expected hours such as 02:00-05:00'

export const erasure = section('What happens when somebody leaves for good.', {
  mode: choice(
    'redact',
    ['redact', 'forget'],
    'redact: also on other servers, as far as these follow; forget: only here',
  ),
  delay: duration('0s', 'holds back what cannot be taken back; at most 25d', '25d'),
  deadline: duration('30d', 'the latest moment for all of it; at most 30d', '30d'),
  journal: section('What was erased, so that a restored backup forgets it again.', {
    path: path('data', 'erasure-journal.jsonl', 'keep a copy elsewhere'),
  }),
  rewrite: section('Removes the last traces from the database’s files.', {
    every: duration('24h', '0s: at the end of each erasure'),
    window: nullable(text(undefined, 'hours of the day in which it may run: "02:00-05:00"', timeWindow)),
  }),
  rates: section('Redactions sent.', { per_room: rate('5/s', 'in one room'), total: rate('20/s', 'in all') }),
  forward: boolean(true, 'tell other servers'),
  inbound: section('Erasures of other servers’ users.', {
    enabled: boolean(true, 'follow them'),
    quarantine: duration('7d', 'hidden first, deleted after this; 0s to 14d', '14d'),
  }),
})

export const privacy = section('What is kept about people.', {
  mask_addresses: section('Bits of an address that are kept; 32 and 128 keep all.', {
    ipv4: integer(16, 0, 32, 'of 32'),
    ipv6: integer(32, 0, 128, 'of 128'),
  }),
  retain: section('For how long.', {
    addresses: duration('28d', 'addresses and user agents'),
    sessions: duration('90d', 'rows of ended log-ins'),
    exports: duration('7d', 'finished exports'),
  }),
  controller: section('Who answers for the data; shown in the privacy notice.', {
    name: optionalText('name'),
    contact: optionalText('e-mail or web page'),
    address: optionalText('postal address'),
    supervisory_authority: optionalText('where to complain'),
  }),
  processors: list([], processor, 'who else sees data: { name, purpose, basis, location, data, policy }'),
})

export const retention = section('Deletes old messages.', {
  enabled: boolean(false, 'follow the rooms’ settings'),
  default_max_lifetime: nullable(duration('365d', 'of rooms without a setting')),
})
