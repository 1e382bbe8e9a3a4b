import { roomVersions } from '../../protocol/room-version.ts'
import { endpoint } from '../endpoint.ts'

export const capabilities = endpoint({
  method: 'GET',
  path: '/_matrix/client/v3/capabilities',
  auth: 'user',
  limit: 'read',
  guests: true,
  handle({ deps, requester }) {
    const isUser = requester.kind !== 'guest'
    const available = Object.fromEntries([...roomVersions.keys()].map((id) => [id, 'stable']))
    return {
      capabilities: {
        'm.change_password': { enabled: isUser && deps.config.passwords.login },
        'm.room_versions': { default: deps.config.rooms.defaultVersion, available },
        'm.set_displayname': { enabled: true },
        'm.set_avatar_url': { enabled: isUser },
        'm.profile_fields': isUser ? { enabled: true } : { enabled: true, allowed: ['displayname'] },
        'm.3pid_changes': { enabled: false },
        'm.get_login_token': { enabled: isUser && deps.config.passwords.login },
        'm.forget_forced_upon_leave': { enabled: false },
        ...(requester.admin ? { 'm.account_moderation': { lock: true, suspend: true } } : {}),
      },
    }
  },
})

export const endpoints = [capabilities]
