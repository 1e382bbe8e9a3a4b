import { createHash, randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { ApiClient, eventually } from '../support/api-client.ts'
import { CrashChecks } from '../support/crash-checks.ts'
import { InjectedFault, SmallDisk, cannotTrace } from '../support/disk-faults.ts'
import { LetheProcess } from '../support/lethe-process.ts'

const folder = mkdtempSync(join(tmpdir(), 'lethe-full-'))
const disk = SmallDisk.mount(join(folder, 'data'), 24)
const isRequired = process.env['CI'] === 'true'
const password = 'correct horse battery'
let lethe: LetheProcess
let alice: ApiClient
let room: string
const acknowledged = new Map<string, string>()

beforeAll(async () => {
  lethe = await LetheProcess.start({ folder })
  alice = await new ApiClient(lethe.clientUrl).register('alice', password)
  room = await alice.createRoom({ preset: 'public_chat' })
}, 60_000)
afterAll(async () => {
  await lethe?.stop('SIGKILL')
  disk?.unmount()
  rmSync(folder, { recursive: true, force: true })
})

type Answer = Awaited<ReturnType<ApiClient['answer']>>

const json = { 'content-type': 'application/json' }
const send = (txnId: string) =>
  alice.answer(
    'PUT',
    `/_matrix/client/v3/rooms/${encodeURIComponent(room)}/send/m.room.message/${txnId}`,
    JSON.stringify({ msgtype: 'm.text', body: `${txnId} ${'.'.repeat(2000)}` }),
    json,
  )
const upload = (bytes: Uint8Array) =>
  alice.answer('POST', '/_matrix/media/v3/upload', bytes, { 'content-type': 'application/octet-stream' })

/** Sends until so many are refused; keeps what was taken. Returns the refused ones. */
async function sendUntilRefused(name: string, refusals: number): Promise<string[]> {
  const refused: string[] = []
  for (let i = 0; refused.length < refusals; i++) {
    const ids = Array.from({ length: 4 }, (_, k) => `${name}${i}.${k}`)
    const answers = await Promise.all(ids.map(send))
    for (const [k, answer] of answers.entries()) {
      const txnId = ids[k] as string
      if (answer.status === 200) acknowledged.set(txnId, eventIdOf(answer))
      else {
        assertRefusal(answer)
        refused.push(txnId)
      }
    }
  }
  return refused
}

const eventIdOf = ({ text }: Answer) => (JSON.parse(text) as { event_id: string }).event_id

/** 503 with Retry-After, in the header and in the body. */
function assertRefusal({ status, text, headers }: Answer): void {
  expect([status, text]).toEqual([503, expect.stringContaining('"retry_after_ms"')])
  expect(Number(headers.get('retry-after'))).toBeGreaterThan(0)
}

/** All reads work, and show exactly what was acknowledged. */
async function assertReads(): Promise<void> {
  const stored = (await alice.history(room)).flatMap(({ event_id: id, type }) =>
    type === 'm.room.message' ? [id] : [],
  )
  expect(new Set(stored)).toEqual(new Set(acknowledged.values()))
  expect(stored).toHaveLength(acknowledged.size)
  expect((await alice.sync()).next_batch).toEqual(expect.any(String))
  expect((await alice.answer('GET', '/health')).status).toBe(200)
}

/** The refused ones are taken, each once, by the process that refused them. */
async function assertResumes(refused: readonly string[]): Promise<void> {
  await eventually(async () => (await send(refused[0] as string)).status === 200, 10_000, 'a write')
  for (const txnId of refused) {
    const [first, second] = [await send(txnId), await send(txnId)]
    expect([first.status, first.text]).toEqual([200, second.text])
    acknowledged.set(txnId, eventIdOf(first))
  }
  await assertReads()
}

test.skipIf(disk === undefined && !isRequired)(
  'a full disk: writes get 503 with Retry-After, reads go on, and all goes on without a restart',
  async () => {
    expect(disk).toBeDefined()
    const { pid } = lethe
    const bytes = randomBytes(300_000)
    expect((await upload(bytes)).status).toBe(200)
    for (let i = 0; i < 5; i++) acknowledged.set(`before${i}`, eventIdOf(await send(`before${i}`)))

    disk?.fill()
    const refused = await sendUntilRefused('full', 8)
    assertRefusal(await upload(randomBytes(400_000)))
    assertRefusal(
      await alice.answer(
        'POST',
        '/_matrix/client/v3/account/deactivate',
        JSON.stringify({
          erase: true,
          auth: { type: 'm.login.password', identifier: { type: 'm.id.user', user: 'alice' }, password },
        }),
        json,
      ),
    )
    await assertReads()
    const checks = new CrashChecks(lethe.dataFolder, new Map())
    expect(checks.orphans()).toEqual([])

    disk?.free()
    await assertResumes(refused)
    const again = await upload(bytes.subarray(1))
    expect(again.status, again.text).toBe(200)
    expect(lethe.pid).toBe(pid)

    await lethe.stop('SIGKILL')
    await lethe.start()
    await assertReads()
    const { bytes: stored } = await alice.download((JSON.parse(again.text) as { content_uri: string }).content_uri)
    const hash = (of: Uint8Array) => createHash('sha256').update(of).digest('hex')
    expect(hash(stored)).toBe(hash(bytes.subarray(1)))
    // files that were left behind go soon after the start
    await expect.poll(() => checks.orphans(), { timeout: 5_000 }).toEqual([])
    expect(checks.final()).toEqual([])
  },
  60_000,
)

test.skipIf(cannotTrace() !== undefined && !isRequired)(
  'a disk that became read-only: the same',
  async () => {
    const { pid } = lethe
    const log = join(lethe.dataFolder, 'lethe.db-wal')
    const fault = await InjectedFault.begin(pid as number, log, 'pwrite64', 'EROFS')
    const refused = await sendUntilRefused('read-only', 4)
    await assertReads()
    expect(fault.count).toBeGreaterThan(0)
    await fault.end()
    await assertResumes(refused)
    expect(lethe.pid).toBe(pid)
  },
  60_000,
)
