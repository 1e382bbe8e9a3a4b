import { defineConfig } from 'vitest/config'

/** Benchmarks: ratios against a peer in the same run. `npm run bench -- send` runs test/bench/send.test.ts. */
export default defineConfig({
  test: {
    include: ['test/bench/**/*.test.ts'],
    testTimeout: 600_000,
    fileParallelism: false,
    pool: 'forks',
    disableConsoleIntercept: true,
  },
})
