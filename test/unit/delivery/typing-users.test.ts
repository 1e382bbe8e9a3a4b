import { describe, expect, test } from 'vitest'
import { TypingUsers } from '../../../src/delivery/typing-users.ts'
import type { Change } from '../../../src/store/changes.ts'
import { FakeClock } from '../../support/clock.ts'

function make() {
  const clock = new FakeClock()
  const announced: Change[] = []
  return {
    clock,
    announced,
    typing: new TypingUsers({ clock, changes: { announce: (change) => void announced.push(change) } }),
  }
}

describe('who is typing', () => {
  test('a user stays until told or until the time is over', () => {
    const { clock, announced, typing } = make()
    const start = typing.serial
    expect(typing.begin(1, '@a:x', 1000)).toBe(true)
    expect(typing.begin(1, '@a:x', 2000)).toBe(false)
    typing.begin(1, '@b:x', 500)
    expect(typing.list(1)).toEqual(['@a:x', '@b:x'])
    clock.advance(600)
    expect(typing.list(1)).toEqual(['@a:x'])
    clock.advance(1000)
    expect(typing.list(1)).toEqual(['@a:x'])
    clock.advance(1000)
    expect(typing.list(1)).toEqual([])
    expect(typing.end(1, '@a:x')).toBe(false)
    expect(announced).toHaveLength(4)
    expect(typing.changedSince(start)).toEqual([1])
    expect(typing.changedSince(typing.serial)).toEqual([])
  })

  test('serials grow, also within a moment and over a start', () => {
    const { clock, typing } = make()
    const serials = [typing.serial]
    for (const room of [1, 2, 3]) {
      typing.begin(room, '@a:x', 1000)
      serials.push(typing.serial)
    }
    expect(new Set(serials).size).toBe(4)
    expect(serials.toSorted((a, b) => a - b)).toEqual(serials)
    clock.advance(5000)
    expect(new TypingUsers({ clock, changes: { announce: () => {} } }).startedAt).toBeGreaterThan(
      serials.at(-1) as number,
    )
  })

  test('expiry is told to whoever asked for it', () => {
    const { clock, typing } = make()
    let expired = 0
    typing.begin(1, '@a:x', 1000, () => expired++)
    typing.begin(1, '@a:x', 1000, () => expired++)
    clock.advance(5000)
    expect(expired).toBe(1)
  })
})
