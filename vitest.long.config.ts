import { defineConfig } from 'vitest/config';

/**
 * `npm run test:long`: measurements that take minutes (memory at 4 GB, at 80,000 documents, under hostile
 * answers). One at a time.
 */
export default defineConfig({
  test: {
    include: ['test/long/**/*.test.ts'],
    globalSetup: ['./test/setup/temporal-server.ts'],
    fileParallelism: false,
    testTimeout: 1_800_000,
    hookTimeout: 600_000,
  },
});
