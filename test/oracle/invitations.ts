import { createPrivateKey, createPublicKey, sign } from 'node:crypto'
import type { Dice } from './dice.ts'
import type { Fields } from './event.ts'
import { canonical } from './third-party-signature.ts'

/** Two identity servers' keys, from fixed seeds. */
const keys = [1, 2].map((byte) => {
  const seed = Buffer.alloc(32, byte)
  const der = Buffer.concat([Buffer.from('302e020100300506032b657004220420', 'hex'), seed])
  const secret = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' })
  const { x = '' } = createPublicKey(secret).export({ format: 'jwk' })
  return { secret, urlSafe: x, plain: x.replaceAll('-', '+').replaceAll('_', '/') }
})
const [first, second] = keys as [(typeof keys)[0] & object, (typeof keys)[0] & object]
const made = new Map<string, Fields>()

/** The content of an `m.room.third_party_invite` that publishes one of the keys, in one of the ways. */
export function randomOffer(dice: Dice): Fields {
  const key = dice.of([first.plain, first.urlSafe, second.plain])
  return dice.of<Fields>([
    { public_key: key },
    { public_key: key },
    { public_key: 'short', public_keys: [{ public_key: key }] },
    { public_keys: [{ public_key: second.plain }, { public_key: key }] },
    { public_keys: [null, { public_key: 5 }] },
    {},
  ])
}

/** The `third_party_invite` of an invite: mostly a good one, else one with something wrong. */
export function randomThirdPartyInvite(dice: Dice, target: string, tokens: readonly string[], other: string): unknown {
  const token = dice.of(tokens)
  const mxid = dice.chance(10) ? other : target
  const signed = signedInvite(mxid, token, dice.chance(25) ? 1 : 0)
  if (dice.chance(75)) return { display_name: 'x', signed }
  const { signatures, ...bare } = signed
  return dice.of<unknown>([
    null,
    {},
    { signed: null },
    { signed: { mxid, signatures } },
    { signed: { token, signatures } },
    { signed: bare },
    { signed: { ...bare, signatures: { 'id.test': { 'ed25519:0': 'AAAA' } } } },
    { signed: { ...signed, more: 1 } },
    { signed: { ...signed, token: 5 } },
    { signed: { ...signed, unsigned: { age: 1 } } },
  ])
}

function signedInvite(mxid: string, token: string, key: 0 | 1): Fields {
  const name = `${mxid} ${token} ${key}`
  let signed = made.get(name)
  if (signed === undefined) {
    const bare = { mxid, token }
    const { secret } = key === 0 ? first : second
    const signature = sign(null, Buffer.from(canonical(bare)), secret)
      .toString('base64')
      .replaceAll('=', '')
    signed = { ...bare, signatures: { 'id.test': { 'ed25519:0': signature } } }
    made.set(name, signed)
  }
  return signed
}
