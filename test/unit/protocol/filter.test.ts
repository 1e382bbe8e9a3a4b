import { describe, expect, test } from 'vitest'
import type { Json, JsonObject } from '../../../src/protocol/json-types.ts'
import { limitOf, matchesEvent, matchesRoom, matchesRoomEvent } from '../../../src/protocol/filter-match.ts'
import { parseFilter, parseRoomEventFilter } from '../../../src/protocol/filter.ts'
import { alice, bob } from './room-events.ts'

describe('parsing', () => {
  test('the empty filter lets everything through', () => {
    const { eventFields, eventFormat, room, presence } = parseFilter({})
    expect([eventFields, eventFormat, room.includeLeave]).toEqual([undefined, 'client', false])
    expect(matchesRoom(room, '!a:b')).toBe(true)
    expect(matchesRoomEvent(room.timeline, '!a:b', { type: 'x', sender: alice, content: {} })).toBe(true)
    expect(matchesEvent(presence, { type: 'm.presence', sender: alice, content: {} })).toBe(true)
    expect(room.timeline).toMatchObject({
      lazyLoadMembers: false,
      includeRedundantMembers: false,
      unreadThreadNotifications: false,
    })
  })
  test('every member', () => {
    const filter = parseFilter({
      event_fields: ['content.m\\.x', 'type'],
      event_format: 'federation',
      presence: { types: [], limit: 3 },
      account_data: { not_types: ['*'] },
      room: {
        include_leave: true,
        rooms: ['!a:b'],
        not_rooms: ['!c:d'],
        state: { lazy_load_members: true, include_redundant_members: true },
        timeline: { unread_thread_notifications: true, related_by_senders: [bob], related_by_rel_types: ['m.thread'] },
        unknown: 1,
      },
    })
    expect(filter.eventFields).toEqual([['content', 'm.x'], ['type']])
    expect(filter.eventFormat).toBe('federation')
    expect(filter.room.includeLeave).toBe(true)
    expect(filter.room.state).toMatchObject({ lazyLoadMembers: true, includeRedundantMembers: true })
    expect(filter.room.timeline.unreadThreadNotifications).toBe(true)
    expect(filter.room.timeline.relatedBySenders).toEqual(new Set([bob]))
    expect(filter.room.timeline.relatedByRelTypes).toEqual(new Set(['m.thread']))
    expect(['!a:b', '!c:d', '!e:f'].map((id) => matchesRoom(filter.room, id))).toEqual([true, false, false])
    expect(matchesEvent(filter.presence, { type: 'm.presence', content: {} })).toBe(false)
    expect(matchesEvent(filter.accountData, { type: 'm.direct', content: {} })).toBe(false)
  })
  test.each<Json>([
    [],
    'x',
    { presence: 'not_an_object' },
    { room: 'x' },
    { room: { timeline: 'not_an_object' } },
    { room: { state: [] } },
    { room: { ephemeral: 1 } },
    { room: { account_data: true } },
    { room: { timeline: { rooms: 'not_a_list' } } },
    { room: { timeline: { rooms: ['not_a_room_id'] } } },
    { room: { not_rooms: ['#a:b'] } },
    { room: { include_leave: 'yes' } },
    { room: { timeline: { senders: ['not_a_sender_id'] } } },
    { presence: { not_senders: ['@x'] } },
    { presence: { types: [1] } },
    { presence: { limit: -1 } },
    { presence: { limit: 1.5 } },
    { presence: { limit: '5' } },
    { event_format: 'other' },
    { event_fields: 'content' },
    { room: { state: { lazy_load_members: 1 } } },
    { room: { timeline: { contains_url: 'x' } } },
  ])('%j is refused', (filter) => {
    expect(() => parseFilter(filter)).toThrow(expect.objectContaining({ errcode: 'M_BAD_JSON' }))
  })
})

describe('matching', () => {
  const matches = (filter: JsonObject, more: { type?: string; sender?: string; content?: JsonObject } = {}) =>
    matchesRoomEvent(parseRoomEventFilter(filter), '!a:b', {
      type: 'm.room.message',
      sender: alice,
      content: {},
      ...more,
    })
  test.each<[JsonObject, boolean]>([
    [{ types: ['m.room.message'] }, true],
    [{ types: ['m.room.*'] }, true],
    [{ types: ['m.room'] }, false],
    [{ types: ['*.message'] }, true],
    [{ types: ['m.*.mess*e'] }, true],
    [{ types: [] }, false],
    [{ not_types: ['m.room.*'] }, false],
    [{ not_types: ['m.room.topic'] }, true],
    [{ types: ['m.room.message'], not_types: ['m.*'] }, false],
    [{ types: ['m.room.messag?'] }, false],
    [{ types: ['*?'] }, false],
    [{ senders: [alice] }, true],
    [{ senders: [bob] }, false],
    [{ senders: [] }, false],
    [{ not_senders: [alice] }, false],
    [{ senders: [alice], not_senders: [alice] }, false],
    [{ rooms: ['!a:b'] }, true],
    [{ rooms: ['!c:d'] }, false],
    [{ rooms: ['!a:b'], not_rooms: ['!a:b'] }, false],
    [{ contains_url: true }, false],
    [{ contains_url: false }, true],
  ])('%j: %j', (filter, expected) => {
    expect(matches(filter)).toBe(expected)
  })
  test('a url in the content', () => {
    expect(matches({ contains_url: true }, { content: { url: 'mxc://a/b' } })).toBe(true)
    expect(matches({ contains_url: false }, { content: { url: 'mxc://a/b' } })).toBe(false)
  })
  test.each([
    ['a?*', 'a?b', true],
    ['a?*', 'axb', false],
    ['a*?', 'a?', true],
    ['*a?*a?', 'a?a?', true],
    ['a?*a?', 'a?', false],
    ['?*b*b', '?b', false],
  ])('a question mark is a character: %s of %s', (glob, type, expected) => {
    expect(matches({ types: [glob] }, { type })).toBe(expected)
  })
  test('limits', () => {
    const limited = (filter: JsonObject) => limitOf(parseRoomEventFilter(filter), 10, 100)
    expect([limited({}), limited({ limit: 5 }), limited({ limit: 500 }), limited({ limit: 0 })]).toEqual([
      10, 5, 100, 1,
    ])
  })
})
