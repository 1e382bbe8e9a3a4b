import { readFileSync, readdirSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { expect, test } from 'vitest'

const root = resolve(import.meta.dirname, '../..')
const levels: Record<string, number> = {
  util: 0,
  protocol: 1,
  schema: 2,
  store: 3,
  federation: 4,
  accounts: 5,
  media: 5,
  rooms: 6,
  delivery: 7,
  privacy: 7,
  admin: 7,
  http: 8,
  cli: 9,
  server: 9,
  'server.ts': 9,
  'main.ts': 9,
}
const layerOf = (file: string) =>
  relative(root, file)
    .replace(/^src\//, '')
    .split('/')[0] ?? ''
const files = ['src', 'schema'].flatMap((folder) =>
  readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => /\.(?:ts|tsx|mjs)$/.test(name))
    .map((name) => join(root, folder, name)),
)
const textOf = new Map(files.map((file) => [file, readFileSync(file, 'utf8')]))
const importsOf = (file: string) =>
  [
    ...(textOf.get(file) ?? '').matchAll(
      /(?:^|\n)\s*(?:import|export)\s(?:(type)\s)?[^'"]*?from '([^']+)'|(?:^|\n)import '([^']+)'/g,
    ),
  ].map(([, type, from, bare]) => ({ isType: type !== undefined, name: (from ?? bare) as string }))
const local = (file: string) =>
  importsOf(file)
    .filter(({ name }) => name.startsWith('.'))
    .map(({ isType, name }) => ({ isType, target: resolve(dirname(file), name) }))

test('there are files, each in a known layer', () => {
  expect(files.length).toBeGreaterThan(100)
  expect(files.map(layerOf).filter((layer) => levels[layer] === undefined)).toEqual([])
})

test('imports go only to lower levels or stay in their folder; http never reaches the store', () => {
  const wrong = files.flatMap((file) => {
    const layer = layerOf(file)
    const level = levels[layer] ?? -1
    return local(file)
      .map(({ target }) => layerOf(target))
      .filter((other) => {
        const isLower = (levels[other] ?? 99) < level || level === 9
        const isForbidden = layer === 'http' && (other === 'store' || other === 'schema')
        return other !== layer && (!isLower || isForbidden)
      })
      .map((other) => `${relative(root, file)} imports ${other}`)
  })
  expect(wrong).toEqual([])
})

test('no file imports itself by way of others', () => {
  const done = new Set<string>()
  const path: string[] = []
  const cycles: string[] = []
  const visit = (file: string): void => {
    const at = path.indexOf(file)
    if (at >= 0)
      return void cycles.push(
        path
          .slice(at)
          .map((each) => relative(root, each))
          .join(' > '),
      )
    if (done.has(file)) return
    path.push(file)
    for (const { isType, target } of local(file)) if (!isType && textOf.has(target)) visit(target)
    path.pop()
    done.add(file)
  }
  for (const file of files) visit(file)
  expect(cycles).toEqual([])
})

test('protocol/ is pure and synchronous', () => {
  const wrong = files
    .filter((file) => layerOf(file) === 'protocol')
    .flatMap((file) => {
      const name = relative(join(root, 'src/protocol'), file)
      const node = importsOf(file).filter(
        ({ name: from }) => from.startsWith('node:') && !(from === 'node:crypto' && /^(?:hash|sign)\.ts$/.test(name)),
      )
      const isAsync = /\b(?:async|await)\b|\bPromise</.test(
        (textOf.get(file) ?? '').replaceAll(/\/\*[\s\S]*?\*\/|\/\/.*|'[^'\n]*'/g, ''),
      )
      return [
        ...node.map(({ name: from }) => `${name} imports ${from}`),
        ...(isAsync ? [`${name} is asynchronous`] : []),
      ]
    })
  expect(wrong).toEqual([])
})

test('every file of endpoints is in the table of routes', () => {
  const routes = textOf.get(join(root, 'src/http/routes.ts')) ?? ''
  const missing = files
    .filter((file) => layerOf(file) === 'http' && /export const endpoints\b/.test(textOf.get(file) ?? ''))
    .map((file) => `./${relative(join(root, 'src/http'), file)}`)
    .filter((path) => !routes.includes(`'${path}'`))
  expect(missing).toEqual([])
})
