import { defineConfig } from 'vitest/config';

/** Everything `npm test` runs. The long measurements have their own config and their own names. */
export default defineConfig({
  test: {
    include: ['**/*.test.ts'],
    exclude: ['node_modules/**', 'dist/**', 'test/long/**'],
    globalSetup: ['./test/setup/temporal-server.ts'],
    // Most of a test here is waiting for other processes; one file per core would leave the cores idle.
    maxWorkers: 3,
    // The same holds for the tests of a file that run side by side: one for each step at which a worker is
    // killed.
    maxConcurrency: 100,
    testTimeout: 120_000,
    hookTimeout: 120_000,
  },
});
