/** The map of CONTRIBUTING.md shows the house as it stands. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const root = fileURLToPath(new URL('..', import.meta.url));
const page = readFileSync(join(root, 'CONTRIBUTING.md'), 'utf8');
const map = page.slice(page.indexOf('## The map'), page.indexOf('`test/support/arrows.ts` says'));

describe('the map of CONTRIBUTING.md', () => {
  it('names every folder that holds sources', () => {
    const folders = readdirSync(root, { withFileTypes: true })
      .filter((entry) => entry.isDirectory() && !/^(\.|node_modules|dist)/.test(entry.name))
      .map(({ name }) => name);
    expect(folders.filter((name) => !map.includes(`\`${name}/\``))).toEqual([]);
  });

  it('names no folder that is not there', () => {
    const missing = map
      .split('\n')
      .filter((line) => line.startsWith('| `'))
      .flatMap((line) => {
        const [, rooms = '', holds = ''] = line.split('|');
        const parents = [...rooms.matchAll(/`([^`]+)\/`/g)].map(([, name]) => name as string);
        const inside = [...holds.matchAll(/`([\w/-]+)\/`/g)].map(([, name]) => name as string);
        return [
          ...parents.filter((name) => !existsSync(join(root, name))),
          ...inside.filter((name) => !parents.some((parent) => existsSync(join(root, parent, name)))),
        ];
      });
    expect(missing).toEqual([]);
  });
});
