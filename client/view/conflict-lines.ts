/** A conflict, field by field, as a terminal shows it. */
import { fieldDifferences } from '../../ndi/document/difference.ts';
import { mergeDocuments } from '../../sync/merge.ts';
import type { ConflictCopies } from '../inbox.ts';
import { plural, printable } from './format.ts';

/** The fields of a conflict with what each copy has of them. */
export function differenceLines({
  base,
  local,
  cloud,
}: Pick<ConflictCopies, 'base' | 'local' | 'cloud'>): string[] {
  if (local === null || cloud === null)
    return [local === null ? 'It is not here any more.' : 'The cloud does not have it any more.'];
  if (base === null) {
    const { differences, hasMore } = fieldDifferences(local, cloud);
    const lines = differences.flatMap(({ path, here, there }) => fieldLines(path, { here, cloud: there }));
    return [...lines, ...(hasMore ? ['and more fields'] : [])];
  }
  const merged = mergeDocuments(base, local, cloud);
  if (merged.outcome === 'merged') return ['Both sides changed different fields: --take merged keeps both.'];
  const lines = merged.fields.flatMap(({ path, shown }) =>
    fieldLines(path, { before: shown.base, here: shown.local, cloud: shown.cloud }),
  );
  return [...lines, ...(merged.moreFields > 0 ? [`and ${plural(merged.moreFields, 'more field')}`] : [])];
}

/** A field with what each copy has of it. */
const fieldLines = (path: string, copies: Readonly<Record<string, string>>): string[] => [
  printable(path) || 'the whole document',
  ...Object.entries(copies).map(([whose, value]) => `  ${whose.padEnd(10)}${printable(value)}`),
];
