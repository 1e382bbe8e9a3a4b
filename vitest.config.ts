import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['test/{unit,store,scenario,process}/**/*.test.ts'],
    testTimeout: 30_000,
    pool: 'forks',
  },
})
