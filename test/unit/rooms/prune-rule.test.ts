import { describe, expect, test } from 'vitest'
import { findRoomVersion, roomVersions } from '../../../src/protocol/room-version.ts'
import type { JsonObject } from '../../../src/protocol/json-types.ts'
import { isCoveredByErasure, pruneRule, showsReturn } from '../../../src/rooms/prune-rule.ts'

function rule(version: string, type: string, stateKey: string | undefined, content: JsonObject = {}, isCurrent = true) {
  const found = findRoomVersion(version)
  if (found === undefined) throw new Error(version)
  return pruneRule({ type, stateKey, content, version: found }, isCurrent)
}

describe('what erasure prunes (ERASURE.md, section 4)', () => {
  test.each([...roomVersions.keys()])('version %s', (version) => {
    for (const type of [
      'm.room.create',
      'm.room.power_levels',
      'm.room.join_rules',
      'm.room.server_acl',
      'm.room.encryption',
    ])
      for (const isCurrent of [true, false]) expect(rule(version, type, '', {}, isCurrent).stored).toBe('keep')
    for (const type of ['m.room.name', 'm.room.topic', 'm.room.pinned_events', 'm.space.child']) {
      expect(rule(version, type, '').stored).toBe('keep')
      expect(rule(version, type, '', {}, false).stored).toBe('prune')
    }
    expect(rule(version, 'm.room.message', undefined).stored).toBe('prune')
    // of the type, and no state
    expect(rule(version, 'm.room.name', undefined).stored).toBe('prune')
    expect(rule(version, 'm.room.member', '@a:b').stored).toBe('prune')
    const isOld = !['11', '12'].includes(version)
    expect(rule(version, 'm.room.redaction', undefined)).toEqual(
      isOld ? { stored: 'keep', strip: ['reason'] } : { stored: 'prune', strip: [] },
    )
    expect(rule(version, 'm.room.member', '@a:b', { third_party_invite: {} }).stored).toBe(isOld ? 'keep' : 'prune')
    expect(rule(version, 'm.room.member', '@a:b', { join_authorised_via_users_server: '@c:d' }).stored).toBe(
      version === '8' ? 'keep' : 'prune',
    )
  })

  test('a remote person is normal again only for what comes live after the erasure', () => {
    expect(isCoveredByErasure(undefined, 5, 'live')).toBe(false)
    expect(isCoveredByErasure({ erasedTs: 10 }, 5, 'live')).toBe(true)
    expect(isCoveredByErasure({ erasedTs: 10, returnedTs: 20 }, 20, 'live')).toBe(false)
    expect(isCoveredByErasure({ erasedTs: 10, returnedTs: 20 }, 20, 'old')).toBe(true)
    expect(isCoveredByErasure({ erasedTs: 10, returnedTs: 20 }, 15, 'live')).toBe(true)
    expect(showsReturn({ erasedTs: 10 }, 11, false, 'live')).toBe(true)
    expect(showsReturn({ erasedTs: 10 }, 10, false, 'live')).toBe(false)
    expect(showsReturn({ erasedTs: 10 }, 11, false, 'old')).toBe(false)
    expect(showsReturn({ erasedTs: 10 }, 11, true, 'live')).toBe(false)
  })
})
