/** Where two documents differ, in words. */
import { canonicalText } from './canonical.ts';
import { isRawNumber } from './json-raw.ts';
import type { JsonObject, JsonValue } from './types.ts';

const SHOWN_LENGTH = 60;

/**
 * The first member, in canonical order, that does not say the same: `base.name: "a" here, "b" there`. Empty
 * when none does.
 */
export function firstDifference(here: JsonObject, there: JsonObject): string {
  const path = differingPath(here, there, []);
  if (path === undefined) return '';
  return `${path.join('.')}: ${shown(memberAt(here, path))} here, ${shown(memberAt(there, path))} there`;
}

/**
 * Descends while exactly one side of each level explains the difference; stops at the deepest member that
 * differs.
 */
function differingPath(
  here: JsonValue | undefined,
  there: JsonValue | undefined,
  path: string[],
): string[] | undefined {
  if (same(here, there)) return undefined;
  if (!isMembers(here) || !isMembers(there)) return path;
  for (const key of [...new Set([...Object.keys(here), ...Object.keys(there)])].sort()) {
    if (path.length === 0 && (key === 'id' || key === '_id')) continue;
    // Canonical text drops machine members of locations only on their way from the top: compare those whole.
    if (path.length === 0 && key === 'files') {
      if (same({ files: here[key] ?? null }, { files: there[key] ?? null })) continue;
      return ['files'];
    }
    const deeper = differingPath(here[key], there[key], [...path, key]);
    if (deeper !== undefined) return deeper;
  }
  return path;
}

const isMembers = (value: JsonValue | undefined): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value) && !isRawNumber(value);

/** Two values say the same when documents that hold them do. */
const same = (a: JsonValue | undefined, b: JsonValue | undefined): boolean => textOf(a) === textOf(b);

const textOf = (value: JsonValue | undefined): string =>
  value === undefined ? '' : isMembers(value) ? canonicalText(value) : canonicalText({ value });

const memberAt = (document: JsonObject, path: readonly string[]): JsonValue | undefined =>
  path.reduce<JsonValue | undefined>((value, key) => (isMembers(value) ? value[key] : undefined), document);

function shown(value: JsonValue | undefined): string {
  if (value === undefined) return 'nothing';
  const text = textOf(value);
  return text.length > SHOWN_LENGTH ? `${text.slice(0, SHOWN_LENGTH)}…` : text;
}
