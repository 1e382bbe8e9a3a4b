import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { UserId } from '../../../src/protocol/ids.ts'
import { checks, type Case, type Outcome } from '../../support/evil/checks.ts'
import { testKey } from '../../support/engine.ts'
import { doors, type Door, type Offered, type Passed, type Rooms } from '../../support/evil/doors.ts'
import { shapeChecks } from '../../support/evil/shape-checks.ts'
import { Stage, us } from '../../support/evil/stage.ts'

declare module 'vitest' {
  interface TaskMeta {
    /** what has to become of the event, for the table of guards */
    expected?: Outcome
  }
}

/**
 * Every door × every check of RELIABILITY.md ("Authenticity", "Limits") that concerns one event. The event comes with
 * honest neighbours wherever the door lets several in.
 */
describe.each(['1', '5', '11', '12'])('in room version %s', (version) => {
  let stage: Stage
  let rooms: Rooms

  beforeAll(async () => {
    stage = await Stage.start()
    stage.world.evil('third.test').key = testKey('third.test')
    const [open, other, knock] = [
      await stage.room({ version }),
      await stage.room({ version }),
      await stage.room({ version }),
    ]
    const isKnown = knock.version.knocking
    if (isKnown)
      await stage.send([knock.add({ type: 'm.room.join_rules', stateKey: '', content: { join_rule: 'knock' } }).text])
    rooms = { version, open, other, knock: isKnown ? knock : undefined }
  })

  afterAll(() => stage[Symbol.asyncDispose]())

  // the doors differ by nothing that depends on the version but the format of the event
  const here = version === '11' ? doors : doors.filter(({ name }) => /^\/send|pdus|send_join v2|, state$/.test(name))

  describe.each(here)('$name', (door) => {
    test.for([...checks, ...shapeChecks])('$name', async (check, { skip, task }) => {
      const ground = await door.open(stage, rooms)
      const { kind } = door
      const marker = `m${Math.random().toString(36).slice(2)}`
      const { signingKey: ourKey } = stage.server.composed.deps
      const ourUser: UserId = stage.alice.id
      const given: Case = {
        ground,
        kind,
        door: door.name,
        rooms,
        version: ground.room.version,
        marker,
        ourKey,
        ourUser,
      }
      const offered = check.make(given)
      if (offered === undefined) return skip('means nothing at this door')
      const expected = typeof check.expected === 'string' ? check.expected : check.expected(given)
      task.meta.expected = expected
      const passed = await ground.offer(offered)
      expect(await outcome(stage, door, given, offered, passed)).toBe(expected)
      const neighbours = passed.neighbours ?? []
      expect([...(await stage.storedByIds(neighbours)).keys()].sort()).toEqual([...neighbours].sort())
    })
  })
})

async function outcome(stage: Stage, { kind }: Door, given: Case, offered: Offered, passed: Passed): Promise<Outcome> {
  expect(passed.status ?? 200).toBeLessThan(500)
  if (kind === 'invite' || kind === 'handshake') {
    const isTaken = passed.status === 200
    if (!isTaken) expect(passed.answer).not.toContain(`"${us}":{"`)
    if (kind === 'invite') return isTaken ? 'stored' : 'absent'
    expect((await stage.stored(offered.eventId, given.marker)).length > 0).toBe(isTaken)
  }
  const rows = await stage.stored(offered.eventId, given.marker)
  const [row] = rows
  if (row === undefined) return 'absent'
  expect(rows).toHaveLength(1)
  expect(row.room_nid).toBe((await stage.server.room(given.ground.room.id)).nid)
  if (row.rejected !== null) return 'rejected'
  return row.json.includes(given.marker) ? 'stored' : 'pruned'
}
