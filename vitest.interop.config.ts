import { defineConfig } from 'vitest/config'

const slow = { testTimeout: 180_000, hookTimeout: 120_000, pool: 'forks' } as const

/** Tests against real clients and peers: slower, one file after the other, run by `.ci/run`. */
export default defineConfig({
  test: {
    fileParallelism: false,
    projects: [
      // other programs take part, each in its own time: what fails must fail twice
      { test: { ...slow, name: 'interop', include: ['test/interop/**/*.test.ts'], retry: 1 } },
      // what is shown once is shown: no second try
      { test: { ...slow, name: 'privacy', include: ['test/privacy/**/*.test.ts'] } },
    ],
  },
})
