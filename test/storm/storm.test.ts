/** Twenty storms, and those that once went wrong. `npm run test:storm` runs as many as one likes. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { stormsInLabs } from './labs.ts';

const SEEDS = Array.from({ length: 20 }, (_, index) => index + 1);
const CORPUS = JSON.parse(readFileSync(new URL('corpus.json', import.meta.url), 'utf8')) as {
  readonly inProcess: readonly number[];
};

describe('storms', () => {
  it('end with everything on the other side, once', { timeout: 600_000 }, async () => {
    const wrong: Record<number, readonly string[]> = {};
    await stormsInLabs(5, new Set([...SEEDS, ...CORPUS.inProcess]), ({ seed, findings }) => {
      if (findings.length > 0) wrong[seed] = findings;
    });
    expect(wrong).toEqual({});
  });
});
