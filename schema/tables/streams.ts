import { int, serial, table, text } from '../kit.ts'

const machinery = {
  subject: [],
  erasure: 'keep',
  reason: 'holds numbers only, nothing of a person',
  export: null,
} as const

/** Who writes: one row per process, leased with a fencing number; `position` is the last one it committed. */
export const writers = table(
  'writers',
  {
    writer_nid: serial(),
    name: text(),
    position: int().default(0),
    batch: int().default(0),
    lease_until_ts: int().null(),
    fence: int().default(0),
  },
  {},
  {
    ...machinery,
    holds: 'the positions in the streams up to which each server process has written',
    purpose: 'so that no change is missed or delivered twice',
    retention: 'as long as the database',
  },
)

/** Counters that make every process drop what it keeps in memory: erasures, sessions. */
export const epochs = table(
  'epochs',
  { name: text(), value: int().default(0) },
  { primary: ['name'] },
  {
    ...machinery,
    holds: 'how often each kind of cached data was declared void',
    purpose: 'so that an erasure or a log-out holds on every process at once',
    retention: 'as long as the database',
  },
)

/** The migrations that were applied, step by step. */
export const schema_migrations = table(
  'schema_migrations',
  { version: int(), step: int(), name: text(), applied_ts: int() },
  { primary: ['version', 'step'] },
  {
    ...machinery,
    holds: 'the changes of the database layout that were applied',
    purpose: 'so that an update is done once, and whole',
    retention: 'as long as the database',
  },
)
