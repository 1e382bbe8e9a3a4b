import { expect, test } from 'vitest'
import { redactedLiteral, travelling } from '../support/evil/expectation.ts'
import { canonicalLiteral, memberOf, only, textOf, type LitObject } from '../support/evil/literal-json.ts'
import { MutantRoom, type Sent } from '../support/evil/mutant-room.ts'
import { Seeded } from '../support/seeded.ts'
import { answers, Stage, type StoredEvent } from '../support/evil/stage.ts'
import { sqlQuery } from '../../src/store/query.ts'
import { scale, seed } from '../support/scale.ts'

const mutants = scale(1_600, 200_000)
const mutantsAtOnce = 45
const neighboursAtOnce = 5
const start = seed(20_261_122)
/** Those of today mostly, and all of them. */
const versions = ['10', '11', '12', '10', '11', '12', '10', '11', '12', '10', '11', '12', '11', '12']
const oldVersions = ['1', '2', '3', '4', '5', '6', '7', '8', '9']

const countNewer = sqlQuery<{ nid: number }, { count: number; newest: number | null }>(
  'test_countNewer',
  'select count(*) as count, max(event_nid) as newest from events where event_nid > :nid',
)

/** What is wrong with what became of a PDU; undefined where it is right. */
function complaintOf(sent: Sent, answer: unknown, row: StoredEvent | undefined, version: number): string | undefined {
  const { expected, isNameless } = sent
  const isTold = answer !== undefined
  const isRefused = isTold && Object.hasOwn(answer as object, 'error')
  if (isTold && !isRefused && Object.keys(answer as object).length > 0) return `answered ${JSON.stringify(answer)}`
  if (expected === 'either') return isTold ? undefined : 'answered nothing'
  if (expected === 'refused') {
    if (row !== undefined) return 'stored'
    // before version 3 the id is the sender's own words, and one that is no id has no place in the answer
    return isRefused || (!isTold && (isNameless || version < 3)) ? undefined : `answered ${JSON.stringify(answer)}`
  }
  if (row === undefined) return `not stored: ${JSON.stringify(answer)}`
  if (expected === 'rejected') return row.rejected !== null && isRefused ? undefined : 'not rejected'
  if (row.rejected !== null || isRefused) return `rejected: ${row.rejected} ${JSON.stringify(answer)}`
  if (row.soft_failed) return 'soft-failed'
  const whole = travelling(version, sent.lit)
  const text = canonicalLiteral(expected === 'pruned' ? redactedLiteral(version, whole) : whole)
  // a redaction that came before took its content
  const redacted = redactedLiteral(version, whole)
  const possible = [text, canonicalLiteral(redacted), canonicalLiteral(withTarget(redacted, whole))]
  return possible.includes(row.json) ? undefined : `stored as ${row.json}`
}

/** We keep whom a redaction before version 11 redacts, though it is redacted itself. */
function withTarget(redacted: LitObject, whole: LitObject): LitObject {
  const target = only(whole, textOf(memberOf(whole, 'type')) === 'm.room.redaction' ? ['redacts'] : [])
  return { kind: 'object', entries: [...redacted.entries, ...target.entries] }
}

test(`${mutants} mutants of valid PDUs crash nothing, are judged right, and stop no neighbour (seed ${start})`, async () => {
  await using stage = await Stage.start()
  const random = new Seeded(start)
  const rooms = new Map<string, MutantRoom>()
  const { database } = stage.server.composed.deps
  let newestNid = 0
  const countNew = async () => {
    const [row] = await database.read((conn) => countNewer(conn, { nid: newestNid }))
    newestNid = Number(row?.newest ?? newestNid)
    return Number(row?.count)
  }
  const nothing = answers({
    get_missing_events: () => '{"events":[]}',
    state: () => '{"pdus":[],"auth_chain":[]}',
    event_auth: () => '{"auth_chain":[]}',
    event: () => '{"pdus":[]}',
  })
  stage.evil.handlers.push(nothing)
  const began = process.cpuUsage()
  const tally = new Map<string, number>()
  let batch = 0
  for (let left = mutants; left > 0; left -= mutantsAtOnce) {
    const where = `seed ${start}, transaction ${++batch}`
    const version = random.chance(1 / 8) ? random.pick(oldVersions) : random.pick(versions)
    const room = rooms.get(version) ?? (await MutantRoom.start(stage, version, random))
    rooms.set(version, room)
    await countNew()
    const sent: Sent[] = []
    for (let i = 0; i < mutantsAtOnce + neighboursAtOnce; i++)
      sent.push(i % (mutantsAtOnce / neighboursAtOnce + 1) === 0 ? room.neighbour() : room.mutant())
    const texts = (random.chance(1 / 2) ? random.shuffled(sent) : sent).map(({ text }) => text)
    if (random.chance(1 / 50)) {
      const broken = await stage.request('PUT', `/_matrix/federation/v1/send/b${batch}`, '{"pdus":[]}', {
        rawBody: `{"pdus":[${texts.join()},{"a":\u0001}]}`,
      })
      expect(broken.status, where).toBe(400)
    }
    const answer = await stage.send(texts)
    expect(answer.status, where).toBe(200)
    // a map: an id may be `__proto__`
    const told = new Map(Object.entries(answer.json.pdus as Readonly<Record<string, unknown>>))
    const rows = await stage.storedByIds(sent.map(({ eventId }) => eventId))
    const wrong = sent.flatMap((each) => {
      const complaint = complaintOf(each, told.get(each.eventId), rows.get(each.eventId), Number(version))
      tally.set(each.expected, (tally.get(each.expected) ?? 0) + 1)
      return complaint === undefined
        ? []
        : [`version ${version}, ${each.note}: ${each.expected}, but ${complaint}\n${each.text.slice(0, 3000)}`]
    })
    expect(wrong, where).toEqual([])
    expect(await countNew(), `${where}: nothing else is stored`).toBe(rows.size)
  }
  for (const [version, room] of rooms) {
    const newest = await stage.extremities(room.room)
    // a mutant that may be either, and was accepted, may be one too
    expect(newest, `version ${version}`).toEqual(expect.arrayContaining([...room.newest]))
    expect(newest.length, `version ${version}`).toBeLessThanOrEqual(20)
    await stage.alice.ok('PUT', `/rooms/${encodeURIComponent(room.room.id)}/send/m.room.message/t${version}`, {
      msgtype: 'm.text',
      body: 'x',
    })
  }
  await stage.alice.ok('GET', '/sync')
  const { user, system } = process.cpuUsage(began)
  const perPdu = (user + system) / batch / (mutantsAtOnce + neighboursAtOnce)
  const judged = [...tally].map(([name, times]) => `${name} ${times}`).join(', ')
  console.log(`mutants: ${judged}; ${Math.round(perPdu)} µs of CPU time a PDU, with what makes and checks it`)
}, 1_200_000)
