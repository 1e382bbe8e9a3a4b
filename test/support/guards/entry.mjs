/**
 * A guard: the exact text that stands for it, what is put in its place, and the tests that turn red without it. With
 * `behind` it is a second line: another check refuses first, and only without both the tests turn red.
 * @typedef {{ file: string, cut: string, put?: string }} Edit
 * @typedef {{ file: string, name: string }} Test
 * @typedef {{ name: string, edits: Edit[], red: Test[], behind?: { name: string, edits: Edit[] } }} Guard
 */

/** @returns {Edit} */
export const edit = (file, cut, put = '') => ({ file, cut, put })

const inFile = (file) => (name) => ({ file, name })

/** Checks of the table of doors, in one room version, on all doors or on those that match. */
export const door = (check, version = '11', doors = '.*') => ({
  file: 'test/scenario/doors/table.test.ts',
  name: `in room version ${version} '(${doors}).*' '${check}`,
})
export const graph = inFile('test/scenario/doors/graph.test.ts')
export const answers = inFile('test/scenario/doors/answers.test.ts')
export const requests = inFile('test/scenario/doors/requests.test.ts')
export const gate = inFile('test/scenario/rooms/gate.test.ts')
export const handshakes = inFile('test/scenario/rooms/hostile-handshakes.test.ts')
export const sendFile = inFile('test/scenario/federation-send.test.ts')
export const keyRing = inFile('test/unit/federation/key-ring.test.ts')
export const alone = inFile('test/scenario/doors/single-guards.test.ts')
