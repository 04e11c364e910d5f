/** The text of a document as MATLAB and as Python write it, for test data (dataset format §3). */
import { stringifyDocument } from '../document/codec.ts';
import { isRawNumber } from '../document/json-raw.ts';
import type { JsonObject, JsonValue, NdiDocument } from '../document/types.ts';

/** Object arrays that lose their brackets when they hold one element. */
const UNWRAPPED = ['superclasses', 'depends_on', 'file_info', 'locations'] as const;

/** Two-space indent, one-element arrays of objects as the bare object. */
export const matlabText = (document: NdiDocument): string => indent(unwrap(document, UNWRAPPED), '\n');

/**
 * `", "` and `": "`, ASCII escapes, one-element arrays unwrapped but for `locations`, booleans for the flags.
 */
export function pythonText(document: NdiDocument): string {
  const flags = mapMembers(unwrap(document, UNWRAPPED.slice(0, 3)), (key, value) =>
    key === 'ingest' || key === 'delete_original' ? value === 1 : value,
  );
  return spaced(flags).replace(
    /[\u0080-\uffff]/g,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

const unwrap = (value: JsonValue, keys: readonly string[]): JsonValue =>
  mapMembers(value, (key, member) =>
    keys.includes(key) && Array.isArray(member) && member.length === 1 ? member[0]! : member,
  );

function mapMembers(value: JsonValue, edit: (key: string, value: JsonValue) => JsonValue): JsonValue {
  if (typeof value !== 'object' || value === null || isRawNumber(value)) return value;
  if (Array.isArray(value)) return value.map((item) => mapMembers(item, edit));
  return Object.fromEntries(
    Object.entries(value).map(([key, member]) => [key, edit(key, mapMembers(member, edit))]),
  );
}

const isContainer = (value: JsonValue): value is JsonObject | JsonValue[] =>
  typeof value === 'object' && value !== null && !isRawNumber(value);

/** A scalar through the codec, which knows NaN. */
const scalarText = (value: JsonValue): string => stringifyDocument({ v: value }).slice('{"v":'.length, -1);

function indent(value: JsonValue, newline: string): string {
  if (!isContainer(value)) return scalarText(value);
  const inner = `${newline}  `;
  if (Array.isArray(value)) {
    if (value.length === 0) return '[]';
    return `[${inner}${value.map((item) => indent(item, inner)).join(`,${inner}`)}${newline}]`;
  }
  const members = Object.entries(value).map(
    ([key, member]) => `${JSON.stringify(key)}: ${indent(member, inner)}`,
  );
  return members.length === 0 ? '{}' : `{${inner}${members.join(`,${inner}`)}${newline}}`;
}

function spaced(value: JsonValue): string {
  if (!isContainer(value)) return scalarText(value);
  if (Array.isArray(value)) return `[${value.map(spaced).join(', ')}]`;
  return `{${Object.entries(value)
    .map(([key, member]) => `${JSON.stringify(key)}: ${spaced(member)}`)
    .join(', ')}}`;
}
