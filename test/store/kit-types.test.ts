import { expect, expectTypeOf, test } from 'vitest'
import { bool, bytes, int, json, serial, table, text } from '../../schema/kit.ts'

const samples = table(
  'kit_samples',
  {
    sample_nid: serial(),
    user_nid: int().of('user'),
    name: text(),
    note: text<'a' | 'b'>().null(),
    flag: bool().default(false),
    data: json<{ a: number }>(),
    blob: bytes().null(),
    seen_ts: int().null(),
  },
  { indexes: [{ name: 'kit_samples_by_user', on: ['user_nid', 'seen_ts desc'], where: 'flag' }] },
  { holds: 'h', purpose: 'p', subject: ['user_nid'], retention: 'r', erasure: 'delete', export: 'x.json' },
)

test("the static type of a table is SQLite's", () => {
  type Row = typeof samples.sqlite.$inferSelect
  expectTypeOf<Row['note']>().toEqualTypeOf<'a' | 'b' | null>()
  expectTypeOf<Row['name']>().toEqualTypeOf<string>()
  expectTypeOf<Row['flag']>().toEqualTypeOf<boolean>()
  expectTypeOf<Row['blob']>().toEqualTypeOf<Buffer | null>()
  expectTypeOf<Row['user_nid']>().toEqualTypeOf<number>()
  expectTypeOf<Row['seen_ts']>().toEqualTypeOf<number | null>()
  type Insert = typeof samples.sqlite.$inferInsert
  expectTypeOf<Insert['flag']>().toEqualTypeOf<boolean | undefined>()
  expectTypeOf<Insert['name']>().toEqualTypeOf<string>()
  expect(samples.primary).toEqual(['sample_nid'])
})
