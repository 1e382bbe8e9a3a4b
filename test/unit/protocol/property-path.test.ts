import { expect, test } from 'vitest'
import { parsePropertyPath, pickProperties, propertyAt } from '../../../src/protocol/property-path.ts'

test.each([
  ['content.body', ['content', 'body']],
  ['content.m\\.relates_to', ['content', 'm.relates_to']],
  ['content.m\\\\foo', ['content', 'm\\foo']],
  ['content.\\x', ['content', '\\x']],
  ['a\\\\.b', ['a\\', 'b']],
  ['a\\', ['a\\']],
  ['', ['']],
  ['a..b', ['a', '', 'b']],
])('%s', (path, names) => {
  expect(parsePropertyPath(path)).toEqual(names)
})

test('reading: only own properties of objects', () => {
  expect(propertyAt({ a: { b: 1 } }, ['a', 'b'])).toBe(1)
  expect(propertyAt({ a: { b: 1 } }, ['a'])).toEqual({ b: 1 })
  expect(propertyAt({ a: [1] }, ['a', 'length'])).toBeUndefined()
  expect(propertyAt({}, ['constructor'])).toBeUndefined()
  expect(propertyAt({ a: 'x' }, ['a', 'b'])).toBeUndefined()
})

test('picking', () => {
  const event = { type: 't', content: { body: 'b', 'm.x': 1, deep: { a: 1, b: 2 } }, sender: 's' }
  const pick = (...paths: string[]) => pickProperties(event, paths.map(parsePropertyPath))
  expect(pick('content.body', 'sender')).toEqual({ content: { body: 'b' }, sender: 's' })
  expect(pick('content.m\\.x', 'content.deep.b')).toEqual({ content: { 'm.x': 1, deep: { b: 2 } } })
  expect(pick('content', 'content.body')).toEqual({ content: event.content })
  expect(pick('content.none', 'type.x')).toEqual({})
  expect(Object.keys(pickProperties(JSON.parse('{"__proto__":1}'), [['__proto__']]))).toEqual(['__proto__'])
})
