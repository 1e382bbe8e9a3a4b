import type { JsonObject } from './json-types.ts'
import type { PushAction, PushRule, PushRuleset } from './push-rule-types.ts'

const highlight: PushAction = { set_tweak: 'highlight' }
const defaultSound: PushAction = { set_tweak: 'sound', value: 'default' }
const ringing: PushAction = { set_tweak: 'sound', value: 'ring' }

/** The id of the one predefined rule that comes before the user's own. */
export const masterRuleId = '.m.rule.master'

/** The predefined rules of a user, most important first (client-server API, "Predefined Rules"). */
export function defaultPushRules(userId: string): PushRuleset {
  return {
    override: [
      { ...rule(masterRuleId, [], []), enabled: false },
      rule('.m.rule.suppress_notices', [eventMatch('content.msgtype', 'm.notice')], []),
      rule(
        '.m.rule.invite_for_me',
        [
          eventMatch('type', 'm.room.member'),
          eventMatch('content.membership', 'invite'),
          eventMatch('state_key', userId),
        ],
        ['notify', defaultSound],
      ),
      rule('.m.rule.member_event', [eventMatch('type', 'm.room.member')], []),
      rule(
        '.m.rule.is_user_mention',
        [{ kind: 'event_property_contains', key: 'content.m\\.mentions.user_ids', value: userId }],
        ['notify', defaultSound, highlight],
      ),
      rule(
        '.m.rule.is_room_mention',
        [
          { kind: 'event_property_is', key: 'content.m\\.mentions.room', value: true },
          { kind: 'sender_notification_permission', key: 'room' },
        ],
        ['notify', highlight],
      ),
      rule('.m.rule.tombstone', stateEvent('m.room.tombstone'), ['notify', highlight]),
      rule('.m.rule.reaction', [eventMatch('type', 'm.reaction')], []),
      rule('.m.rule.room.server_acl', stateEvent('m.room.server_acl'), []),
      rule(
        '.m.rule.suppress_edits',
        [{ kind: 'event_property_is', key: 'content.m\\.relates_to.rel_type', value: 'm.replace' }],
        [],
      ),
    ],
    content: [],
    room: [],
    sender: [],
    underride: [
      rule('.m.rule.call', [eventMatch('type', 'm.call.invite')], ['notify', ringing]),
      rule('.m.rule.encrypted_room_one_to_one', betweenTwo('m.room.encrypted'), ['notify', defaultSound]),
      rule('.m.rule.room_one_to_one', betweenTwo('m.room.message'), ['notify', defaultSound]),
      rule('.m.rule.message', [eventMatch('type', 'm.room.message')], ['notify']),
      rule('.m.rule.encrypted', [eventMatch('type', 'm.room.encrypted')], ['notify']),
    ],
  }
}

function rule(ruleId: string, conditions: readonly JsonObject[], actions: readonly PushAction[]): PushRule {
  return { rule_id: ruleId, default: true, enabled: true, conditions, actions }
}

function eventMatch(key: string, pattern: string): JsonObject {
  return { kind: 'event_match', key, pattern }
}

function stateEvent(type: string): JsonObject[] {
  return [eventMatch('type', type), eventMatch('state_key', '')]
}

function betweenTwo(type: string): JsonObject[] {
  return [{ kind: 'room_member_count', is: '2' }, eventMatch('type', type)]
}
