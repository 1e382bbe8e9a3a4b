import { describe, expect, test } from 'vitest'
import type { HistoryVisibility } from '../../../src/protocol/visibility.ts'
import { historyVisibilityOf, maySeeEvent, mayServerSeeEvent } from '../../../src/protocol/visibility.ts'

const all: HistoryVisibility[] = ['world_readable', 'shared', 'invited', 'joined']

/** Which settings let a user with this membership at the event see it, by whether the user joined later. */
const seen = (membership: string, joinedLater: boolean) =>
  all.filter((before) => maySeeEvent({ before }, { before: membership, joinedLater }))

test.each([
  ['join', false, all],
  ['join', true, all],
  ['invite', false, ['world_readable', 'invited']],
  ['invite', true, ['world_readable', 'shared', 'invited']],
  ['leave', false, ['world_readable']],
  ['leave', true, ['world_readable', 'shared']],
  ['ban', false, ['world_readable']],
  ['ban', true, ['world_readable', 'shared']],
  ['knock', false, ['world_readable']],
])('membership %s, joined later %s: %j', (membership, joinedLater, settings) => {
  expect(seen(membership, joinedLater)).toEqual(settings)
})

describe('special events', () => {
  test('a change of the setting is seen by what was before or after', () => {
    const stranger = { before: 'leave', joinedLater: false }
    expect(maySeeEvent({ before: 'world_readable', after: 'joined' }, stranger)).toBe(true)
    expect(maySeeEvent({ before: 'joined', after: 'world_readable' }, stranger)).toBe(true)
    expect(maySeeEvent({ before: 'joined', after: 'shared' }, stranger)).toBe(false)
    expect(maySeeEvent({ before: 'joined', after: 'shared' }, { before: 'leave', joinedLater: true })).toBe(true)
    expect(maySeeEvent({ before: 'joined', after: 'invited' }, { before: 'invite', joinedLater: false })).toBe(true)
  })
  test("the user's own member event is seen by what was before or after", () => {
    const own = (before: string, after: string) =>
      maySeeEvent({ before: 'joined' }, { before, after, joinedLater: false })
    expect(own('leave', 'join')).toBe(true)
    expect(own('join', 'leave')).toBe(true)
    expect(own('join', 'ban')).toBe(true)
    expect(own('invite', 'leave')).toBe(false)
    expect(maySeeEvent({ before: 'invited' }, { before: 'leave', after: 'invite', joinedLater: false })).toBe(true)
  })
})

test('a server sees what any of its users does, or the world', () => {
  const out = { before: 'leave', joinedLater: false }
  expect(mayServerSeeEvent({ before: 'joined' }, [out, { before: 'join', joinedLater: false }])).toBe(true)
  expect(mayServerSeeEvent({ before: 'shared' }, [out, { before: 'leave', joinedLater: true }])).toBe(true)
  expect(mayServerSeeEvent({ before: 'shared' }, [out])).toBe(false)
  expect(mayServerSeeEvent({ before: 'world_readable' }, [])).toBe(true)
  expect(mayServerSeeEvent({ before: 'joined', after: 'world_readable' }, [])).toBe(true)
  expect(mayServerSeeEvent({ before: 'joined' }, [])).toBe(false)
})

test('a setting that is absent or not understood is shared', () => {
  expect(historyVisibilityOf(undefined)).toBe('shared')
  for (const history_visibility of ['private', null, 1, ['joined']])
    expect(historyVisibilityOf({ content: { history_visibility } })).toBe('shared')
  for (const history_visibility of all)
    expect(historyVisibilityOf({ content: { history_visibility } })).toBe(history_visibility)
})
