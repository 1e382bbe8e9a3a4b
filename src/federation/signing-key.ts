import { readFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { parseKeyId } from '../protocol/ids.ts'
import {
  formatSigningKey,
  generateSigningKey,
  isPublicKey,
  parseSigningKey,
  type SigningKey,
} from '../protocol/sign.ts'
import { makeFolderDurably, writeFileDurably } from '../util/durable-file.ts'
import type { Random } from '../util/ports.ts'
import type { OldKey } from './key-document.ts'

/** The keys of this server: the one that signs, and the ones that once did. */
export interface OwnKeys {
  readonly current: SigningKey
  readonly old: readonly OldKey[]
}

/** Public keys whose secret everybody knows: of the examples of the specification and of RFC 8032. */
const publiclyKnown: ReadonlySet<string> = new Set([
  'XGX0JRS2Af3be3knz2fBiRbApjm2Dh61gXDJA8kcJNI',
  '11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo',
  'PUAXw+hDiVqStwqnTRt+vJyYLM8uxJaMwM1V8Sr0Zgw',
  '/FHNjmIYoaONpH7QAjDwWAgW7RO6MwOsXeuRFUiQgCU',
])

/** Why a signing key must not be used; undefined where nothing is known against it. */
export function checkSigningKey({ publicKey, seed }: SigningKey): string | undefined {
  if (publiclyKnown.has(publicKey)) return 'the signing key is publicly known'
  if (new Set(seed).size <= 4) return 'the signing key is not random'
  return undefined
}

/**
 * Reads the signing key from its file, or makes both, and their folder, when there is no such file; old keys are beside it in `PATH.old`.
 * Throws where a file is not readable as keys, or the key is on the deny list.
 */
export async function loadSigningKeys(path: string, random: Random): Promise<OwnKeys> {
  const text = await readIfThere(path)
  const old = parseOldKeys((await readIfThere(oldPath(path))) ?? '', oldPath(path))
  if (text === undefined) {
    const current = generateSigningKey((size) => random.bytes(size))
    await makeFolderDurably(dirname(path), 0o700)
    await writeFileDurably(path, `${formatSigningKey(current)}\n`, 0o600)
    return { current, old }
  }
  const line = text.split('\n').find((candidate) => candidate.trim() !== '')
  const current = line === undefined ? undefined : parseSigningKey(line)
  if (current === undefined) throw new Error(`${path} holds no signing key (ed25519 VERSION SEED)`)
  const refusal = checkSigningKey(current)
  if (refusal !== undefined) throw new Error(`${path}: ${refusal}; delete the file to have a new one made`)
  return { current, old: old.filter(({ keyId }) => keyId !== current.keyId) }
}

/** Makes a new signing key and keeps the present one as an old key. The old key's file is written first: a crash between loses nothing. */
export async function rotateSigningKey(path: string, random: Random, nowTs: number): Promise<OwnKeys> {
  const { current, old } = await loadSigningKeys(path, random)
  const kept: OldKey[] = [...old, { keyId: current.keyId, publicKey: current.publicKey, expiredTs: nowTs }]
  await writeFileDurably(oldPath(path), kept.map(formatOldKey).join(''), 0o600)
  let next = generateSigningKey((size) => random.bytes(size))
  while (kept.some(({ keyId }) => keyId === next.keyId)) next = generateSigningKey((size) => random.bytes(size))
  await writeFileDurably(path, `${formatSigningKey(next)}\n`, 0o600)
  return { current: next, old: kept }
}

function oldPath(path: string): string {
  return `${path}.old`
}

/** `ed25519 VERSION PUBLIC_KEY EXPIRED_TS` */
function formatOldKey({ keyId, publicKey, expiredTs }: OldKey): string {
  return `ed25519 ${keyId.slice('ed25519:'.length)} ${publicKey} ${expiredTs}\n`
}

function parseOldKeys(text: string, path: string): OldKey[] {
  return text
    .split('\n')
    .filter((line) => line.trim() !== '' && !line.startsWith('#'))
    .map((line) => {
      const [algorithm, version, publicKey = '', expired = ''] = line.trim().split(/\s+/)
      const keyId = parseKeyId(`${algorithm}:${version}`)
      if (keyId === undefined || !isPublicKey(publicKey) || !/^\d{1,15}$/.test(expired)) {
        throw new Error(`${path} has a line that is no old key (ed25519 VERSION PUBLIC_KEY EXPIRED_TS)`)
      }
      return { keyId, publicKey, expiredTs: Number(expired) }
    })
}

async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
    throw error
  }
}
