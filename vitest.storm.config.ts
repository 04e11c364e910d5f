import { defineConfig } from 'vitest/config';

/** `npm run test:storm`: storms by seed, as many as one likes. */
export default defineConfig({
  test: {
    include: ['test/storm/*.storm.ts'],
    globalSetup: ['./test/setup/temporal-server.ts'],
    fileParallelism: false,
    testTimeout: 86_400_000,
    hookTimeout: 120_000,
  },
});
