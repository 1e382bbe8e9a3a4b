import { expect, test } from 'vitest'
import { thumbnailSize } from '../../../src/media/thumbnail-size.ts'

test('never smaller than asked for, in the shape asked for, and few of them are kept', () => {
  const kept = new Set<string>()
  const wrong: object[] = []
  for (let width = 1; width <= 10_000; width += 37) {
    for (let height = 1; height <= 10_000; height += 61) {
      for (const method of ['crop', 'scale'] as const) {
        const made = thumbnailSize({ width, height, method, animated: false })
        const isInShape = method === 'scale' || Math.abs(made.height - (made.width * height) / width) < 1
        if (made.width < width || made.height < height || !isInShape) wrong.push({ width, height, method, made })
        if (made.isKept) kept.add(`${method} ${made.width}x${made.height}`)
      }
    }
  }
  expect(wrong).toEqual([])
  expect(kept.size).toBeLessThan(250)
})

test.each([
  [32, 32, 'crop'],
  [96, 96, 'crop'],
  [320, 240, 'scale'],
  [640, 480, 'scale'],
  [800, 600, 'scale'],
] as const)('the specification names %ix%i %s', (width, height, method) => {
  expect(thumbnailSize({ width, height, method, animated: false })).toEqual({ width, height, isKept: true })
})
