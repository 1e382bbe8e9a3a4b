import { expect, test } from 'vitest'
import { globalRoom, putAccountData } from '../../src/store/account-data.ts'
import type { TextHit } from '../../src/store/search-text.ts'
import { searchTables } from '../../src/store/search-text.ts'
import { engines, makePlace } from '../support/store.ts'

test.each(engines)('%s: a text is found in every row that holds it, however many they are', async (engine) => {
  await using place = await makePlace(engine)
  const database = await place.open()
  const types = Array.from({ length: 23 }, (_, i) => `type ${String(i).padStart(2, '0')}`)
  await database.write(async (tx) => {
    const put = (userNid: number, type: string, content: string) =>
      putAccountData(tx, { userNid, roomNid: globalRoom, type, content })
    // the last ones are in the last step
    for (const userNid of [1, 3, 5]) for (const type of types) await put(userNid, type, `{"text":"a needle ${type}"}`)
    // more rows without it than are looked at in one step
    for (const userNid of [0, 2, 4]) for (const type of types) await put(userNid, type, '{}')
  })
  for (const most of [1, 5, 23, 46, 100]) {
    const found: TextHit[] = []
    await database.read(async (conn) => {
      for await (const hits of searchTables(conn, 'needle', most)) {
        expect(hits.length).toBeLessThanOrEqual(most)
        found.push(...hits)
      }
    })
    const wanted = [1, 3, 5].flatMap((nid) => types.map((type) => [nid, globalRoom, type]))
    expect(found.map(({ key }) => key)).toEqual(wanted)
    expect(new Set(found.map(({ table, column }) => `${table}.${column}`))).toEqual(new Set(['account_data.content']))
  }
})
