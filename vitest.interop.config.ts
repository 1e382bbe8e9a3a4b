import { defineConfig } from 'vitest/config'

/** Tests against real clients and peers: slower, one file after the other, run by `.ci/run`. */
export default defineConfig({
  test: {
    include: ['test/{interop,privacy}/**/*.test.ts'],
    testTimeout: 180_000,
    hookTimeout: 120_000,
    fileParallelism: false,
    // other programs take part, each in its own time: what fails must fail twice
    retry: 1,
    pool: 'forks',
  },
})
