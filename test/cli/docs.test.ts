/** Docs that are generated from the code say what the code says. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { COMMANDS } from '../../client/cli/commands.ts';
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

describe('the page for operators', () => {
  it('names only commands that exist', async () => {
    const page = readFileSync(join(root, 'docs/operations.md'), 'utf8');
    const named = [...page.matchAll(/(?:`|^)ndi-courier ([a-z]+)(?: ([a-z]+))?/gm)];
    expect(named.length).toBeGreaterThan(8);
    for (const [, name, word] of named) {
      const command = await COMMANDS.find((entry) => entry.name === name)?.load();
      expect(command, name).toBeDefined();
      if (command?.subcommands === undefined || word === undefined) continue;
      expect(command.subcommands.map((one) => one.name)).toContain(word);
    }
  });
});
