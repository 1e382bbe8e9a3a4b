/**
 * A guard: the exact text that stands for it, what is put in its place, and the tests that turn red without it. With
 * `behind` it is a second line: another check refuses first, and only without both the tests turn red.
 *
 * Where a test is a check of the table of doors, the guard is shown at every door at which it stands: all of them, or
 * those that `at` names. `lines` say what else refuses at some of them: shown by taking it away too, or only named.
 * @typedef {{ file: string, cut: string, put?: string }} Edit
 * @typedef {{ file: string, name: string } | { check: string }} Test
 * @typedef {{ name: string, doors: string, edits?: Edit[] }} Line
 * @typedef {{ name: string, edits: Edit[], red: Test[], behind?: { name: string, edits: Edit[] }, at?: string,
 *   lines?: Line[], needs?: string }} Guard `needs`: a variable without which its tests do not run
 */

/** @returns {Edit} */
export const edit = (file, cut, put = '') => ({ file, cut, put })

/** Tests of one file, by what stands in their full names. */
export const inFile = (file) => (name) => ({ file, name })

/** A check of the table of doors, by the beginning of its name. */
export const door = (check) => ({ check })

/** Doors, as the beginnings of their names. */
export const atTimeline = '/send|get_|backfill'
export const atHandshakes = String.raw`send_\w+ v`
export const atInvites = 'invite v'
export const atOutliers = 'state|event|send_join answered'
export const atFetched = `get_|${atOutliers}`

export const graph = inFile('test/scenario/doors/graph.test.ts')
export const answers = inFile('test/scenario/doors/answers.test.ts')
export const requests = inFile('test/scenario/doors/requests.test.ts')
export const gate = inFile('test/scenario/rooms/gate.test.ts')
export const handshakes = inFile('test/scenario/rooms/hostile-handshakes.test.ts')
export const sendFile = inFile('test/scenario/federation-send.test.ts')
export const keyRing = inFile('test/unit/federation/key-ring.test.ts')
export const keyCache = inFile('test/unit/federation/key-cache.test.ts')
export const alone = inFile('test/scenario/doors/single-guards.test.ts')
export const together = inFile('test/unit/delivery/sync-together.proof.test.ts')

/** Guards of one file, each of one edit. */
export const guardsIn =
  (file) =>
  (name, cut, put, ...red) => ({ name, edits: [edit(file, cut, put)], red })
