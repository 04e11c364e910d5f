/** Docs that are generated from the code say what the code says. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { fill, generateDocs } from '../../tools/docs.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));

describe('generated docs', () => {
  it('are up to date, or else need: node tools/docs.ts', async () => {
    for (const [path, text] of Object.entries(await generateDocs())) {
      expect(readFileSync(join(root, path), 'utf8'), path).toBe(text);
    }
  });

  it('do not touch what people wrote', () => {
    const page = 'before\n<!-- generated: x -->\nold\n<!-- end -->\nafter\n';
    expect(fill(page, { x: 'new' })).toBe('before\n<!-- generated: x -->\n\nnew\n\n<!-- end -->\nafter\n');
    expect(() => fill(page, { y: '' })).toThrow('no place for y');
  });
});
