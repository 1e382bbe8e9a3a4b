import { expect, test } from 'vitest'
import { checkAuth } from '../../../../src/protocol/auth/check.ts'
import type { RoomVersion } from '../../../../src/protocol/room-version.ts'
import { roomVersions } from '../../../../src/protocol/room-version.ts'
import type { Draft, Scene } from '../room-events.ts'
import { makeEvent, makeState } from '../room-events.ts'

/** One event in one state, and what the rules of some versions say of it. */
export interface RuleCase {
  readonly name: string
  /** The versions that it is about; all unless told. */
  readonly versions?: (version: RoomVersion) => boolean
  readonly scene?: Scene | ((version: RoomVersion) => Scene)
  readonly event: Draft | ((version: RoomVersion) => Draft)
  /** What the refusal says; absent for an event that is allowed. */
  readonly refused?: RegExp
}

/** Makes a test of every case in every version that it is about. */
export function testRules(cases: readonly RuleCase[]): void {
  for (const version of roomVersions.values())
    for (const { name, versions, scene = {}, event, refused } of cases) {
      if (versions !== undefined && !versions(version)) continue
      test(`version ${version.id}: ${name} ${refused === undefined ? 'allowed' : 'refused'}`, () => {
        const state = makeState(version, typeof scene === 'function' ? scene(version) : scene)
        const refusal = checkAuth(makeEvent(version, typeof event === 'function' ? event(version) : event), state)
        if (refused === undefined) expect(refusal).toBeUndefined()
        else expect(refusal).toMatch(refused)
      })
    }
}

export const from =
  (id: number) =>
  (version: RoomVersion): boolean =>
    Number(version.id) >= id
export const until =
  (id: number) =>
  (version: RoomVersion): boolean =>
    Number(version.id) <= id
