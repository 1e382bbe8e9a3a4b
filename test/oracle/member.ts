import { type OracleEvent, type State, type World, has, own, stateKey } from './event.ts'
import { domainOf, isUserId } from './identifiers.ts'
import { creatorsOf, levelsIn } from './levels.ts'
import { isSignedByInviter } from './third-party-signature.ts'
import { type Verdict, allow, reject } from './verdict.ts'

export function membershipOf(state: State, user: string): unknown {
  const member = state.get(stateKey('m.room.member', user))
  return member === undefined ? undefined : own(member.content, 'membership')
}

function joinRuleOf(world: World, state: State): unknown {
  const rules = state.get(stateKey('m.room.join_rules', ''))
  const rule = rules === undefined ? undefined : own(rules.content, 'join_rule')
  return typeof rule !== 'string' && world.reading.missingJoinRuleIsInvite ? 'invite' : rule
}

/** The rule of `m.room.member`, rule 5 (in versions 6 to 11 rule 4). */
export function judgeMember(world: World, event: OracleEvent, state: State): Verdict {
  const { version } = world
  if (event.state_key === undefined) return reject('member: no state_key')
  if (!has(event.content, 'membership')) return reject('member: no membership')
  if (version >= 8 && has(event.content, 'join_authorised_via_users_server')) {
    const authoriser = own(event.content, 'join_authorised_via_users_server')
    const server = typeof authoriser === 'string' && isUserId(authoriser) ? domainOf(authoriser) : undefined
    if (server === undefined || !world.isSignedBy(event, server)) return reject('member: authoriser has not signed')
  }
  const membership = own(event.content, 'membership')
  if (membership === 'join') return judgeJoin(world, event, event.state_key, state)
  if (membership === 'invite') return judgeInvite(version, event, event.state_key, state)
  if (membership === 'leave') return judgeLeave(version, event, event.state_key, state)
  if (membership === 'ban') return judgeBan(version, event, event.state_key, state)
  if (membership === 'knock' && version >= 7) return judgeKnock(world, event, event.state_key, state)
  return reject('member: unknown membership')
}

function judgeJoin(world: World, event: OracleEvent, target: string, state: State): Verdict {
  const { version } = world
  const create = state.get(stateKey('m.room.create', ''))
  const [before, ...others] = event.prev_events
  if (before !== undefined && others.length === 0 && world.events.get(before)?.type === 'm.room.create') {
    // "the creator"; from version 11 "the sender of the `m.room.create`", in 12 without the additional ones
    const creator = version <= 10 ? creatorsOf(version, create)[0] : create?.sender
    if (target === creator) return allow('join: creator')
  }
  if (event.sender !== target) return reject('join: other sender')
  const current = membershipOf(state, event.sender)
  if (current === 'ban') return reject('join: banned')
  const rule = joinRuleOf(world, state)
  if (rule === 'invite' || (version >= 7 && rule === 'knock')) {
    if (current === 'invite' || current === 'join') return allow('join: invited')
  }
  if ((version >= 8 && rule === 'restricted') || (version >= 10 && rule === 'knock_restricted')) {
    if (current === 'join' || current === 'invite') return allow('join: restricted, invited')
    const authoriser = own(event.content, 'join_authorised_via_users_server')
    const levels = levelsIn(version, state)
    if (typeof authoriser !== 'string') return reject('join: restricted, no authoriser')
    if (levels.userLevel(authoriser) < levels.invite) return reject('join: restricted, authoriser may not invite')
    if (membershipOf(state, authoriser) !== 'join') return reject('join: restricted, authoriser not joined')
    return allow('join: restricted')
  }
  if (rule === 'public') return allow('join: public')
  return reject('join: otherwise')
}

function judgeInvite(version: number, event: OracleEvent, target: string, state: State): Verdict {
  if (has(event.content, 'third_party_invite')) {
    if (membershipOf(state, target) === 'ban') return reject('3pid invite: banned')
    const invite = own(event.content, 'third_party_invite')
    if (!has(invite, 'signed')) return reject('3pid invite: no signed')
    const signed = own(invite, 'signed')
    if (!has(signed, 'mxid') || !has(signed, 'token')) return reject('3pid invite: no mxid or token')
    if (own(signed, 'mxid') !== target) return reject('3pid invite: other mxid')
    const token = own(signed, 'token')
    const offer = typeof token === 'string' ? state.get(stateKey('m.room.third_party_invite', token)) : undefined
    if (offer === undefined) return reject('3pid invite: no such token')
    if (offer.sender !== event.sender) return reject('3pid invite: other sender')
    return isSignedByInviter(signed, offer) ? allow('3pid invite') : reject('3pid invite: signature')
  }
  if (membershipOf(state, event.sender) !== 'join') return reject('invite: sender not joined')
  const current = membershipOf(state, target)
  if (current === 'join' || current === 'ban') return reject('invite: target joined or banned')
  const levels = levelsIn(version, state)
  return levels.userLevel(event.sender) >= levels.invite ? allow('invite') : reject('invite: level')
}

function judgeLeave(version: number, event: OracleEvent, target: string, state: State): Verdict {
  const current = membershipOf(state, target)
  if (event.sender === target) {
    if (current === 'invite' || current === 'join') return allow('leave: own')
    if (version >= 7 && current === 'knock') return allow('leave: own knock')
    return reject('leave: own, not in the room')
  }
  if (membershipOf(state, event.sender) !== 'join') return reject('kick: sender not joined')
  const levels = levelsIn(version, state)
  const power = levels.userLevel(event.sender)
  if (current === 'ban' && power < levels.ban) return reject('unban: level')
  if (power >= levels.kick && levels.userLevel(target) < power) return allow('kick')
  return reject('kick: level')
}

function judgeBan(version: number, event: OracleEvent, target: string, state: State): Verdict {
  if (membershipOf(state, event.sender) !== 'join') return reject('ban: sender not joined')
  const levels = levelsIn(version, state)
  const power = levels.userLevel(event.sender)
  if (power >= levels.ban && levels.userLevel(target) < power) return allow('ban')
  return reject('ban: level')
}

function judgeKnock(world: World, event: OracleEvent, target: string, state: State): Verdict {
  const { version } = world
  const rule = joinRuleOf(world, state)
  if (rule !== 'knock' && !(version >= 10 && rule === 'knock_restricted')) return reject('knock: join rule')
  if (event.sender !== target) return reject('knock: other sender')
  const current = membershipOf(state, event.sender)
  if (current !== 'ban' && current !== 'invite' && current !== 'join') return allow('knock')
  return reject('knock: membership')
}
