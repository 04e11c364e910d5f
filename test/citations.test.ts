/** Each section of the contract that a comment cites can be looked up in `docs/contract.md`. */
import { globSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const root = fileURLToPath(new URL('..', import.meta.url));
const page = readFileSync(join(root, 'docs/contract.md'), 'utf8');
const [contract = '', format = ''] = page.split('\n# The dataset format');

/** The text of a section; undefined when the page has none of this number. */
function section(text: string, number: string): string | undefined {
  const from = text.search(new RegExp(`^#+ (?:format )?§${number.replaceAll('.', '\\.')} `, 'm'));
  if (from < 0) return undefined;
  const end = text.slice(from + 3).search(/^#/m);
  return end < 0 ? text.slice(from) : text.slice(from, from + 3 + end);
}

interface Citation {
  readonly file: string;
  readonly text: string;
  readonly isFormat: boolean;
  readonly number: string;
  /** `E9`, or `3` for a numbered unknown. */
  readonly part: string | undefined;
}

function citations(): Citation[] {
  const files = globSync(['**/*.ts', '*.md', 'docs/*.md'], {
    cwd: root,
    exclude: (name) =>
      ['node_modules', 'dist', '.cache', 'contract.md', 'citations.test.ts'].includes(basename(String(name))),
  });
  const pattern =
    /(contract|format(?:’s|'s)?|\() ?§(\d+(?:\.\d+)?)(?: (?:(?:#|no\. ?|row )(\d+)|([A-Z]\d+)))?/g;
  return files.flatMap((file) =>
    [...readFileSync(join(root, file), 'utf8').matchAll(pattern)].map(
      ([text, before = '', number = '', row, part]) => ({
        file,
        text,
        isFormat: before.startsWith('format') || (before === '(' && file.startsWith('ndi/dataset/')),
        number,
        part: row ?? part,
      }),
    ),
  );
}

describe('a citation of the contract', () => {
  it('names a section that docs/contract.md has, and a row that the section has', () => {
    const all = citations();
    expect(all.length).toBeGreaterThan(100);
    const missing = all.filter(({ isFormat, number, part }) => {
      const text = section(isFormat ? format : contract, number);
      return text === undefined || (part !== undefined && !new RegExp(`\\b${part}\\b`).test(text));
    });
    expect(missing.map(({ file, text }) => `${file}: ${text}`)).toEqual([]);
  });
});
