import { defineConfig } from 'vitest/config';

/** Everything `npm test` runs. The long measurements have their own config and their own names. */
export default defineConfig({
  test: {
    include: ['**/*.test.ts'],
    exclude: ['node_modules/**', 'dist/**', 'test/long/**'],
    globalSetup: ['./test/setup/temporal-server.ts'],
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
});
