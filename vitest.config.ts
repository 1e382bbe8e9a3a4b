import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['test/{unit,store,scenario,process}/**/*.test.ts'],
    testTimeout: 30_000,
    // much of the time is spent waiting for disks and sockets
    maxWorkers: '100%',
    pool: 'forks',
  },
})
