/**
 * Two documents say the same to NDI exactly when their canonical texts are equal. Compare and store the hash.
 *
 * Differences that do not count, and why (dataset format §3, §4; NDI Cloud contract §4):
 * - key order, whitespace, how a number is written: MATLAB reads every number as a double. The digits of an
 *   integer or a size that no double holds do count: they would be lost;
 * - an array of one against its element: MATLAB cannot tell them apart, nor a row from a column;
 * - `true` against 1: MATLAB writes one, Python the other;
 * - null in an array of numbers against NaN, a lone null against `[]`: the same to MATLAB's decoder;
 * - the cloud's own top-level `id` and `_id`;
 * - where a binary lies on this machine: of a location only `uid` counts.
 */
import { hash } from 'node:crypto';
import { isRawNumber } from './json-raw.ts';
import type { JsonObject, JsonValue } from './types.ts';

const MACHINE_MEMBERS = new Set(['location', 'location_type', 'ingest', 'delete_original', 'parameters']);
const CLOUD_MEMBERS = new Set(['id', '_id']);
const LOCATIONS_PATH = 'files.file_info.locations';
const EMPTY = '[]';

/** SHA-256, hex, of the canonical text. */
export const canonicalHash = (document: JsonObject): string => hash('sha256', canonicalText(document));

/** One text per meaning. Not JSON: it may hold bare NaN and Infinity. */
export const canonicalText = (document: JsonObject): string => objectText(document, '', CLOUD_MEMBERS);

/** `path` is followed only where members are dropped; elsewhere it is `-`. */
function valueText(value: JsonValue, path: string): string {
  if (value === null) return EMPTY;
  switch (typeof value) {
    case 'string':
      return JSON.stringify(value);
    case 'number':
      return numberText(value);
    case 'boolean':
      return value ? '1' : '0';
    default:
      if (Array.isArray(value)) return arrayText(value, path);
      if (isRawNumber(value)) return digitsText(value.rawJSON);
      return objectText(value, path, path === LOCATIONS_PATH ? MACHINE_MEMBERS : undefined);
  }
}

/** -0 is 0; NaN and Infinity print bare. */
const numberText = (value: number): string => String(value + 0);

/** The text of a number that is not written as a double prints. */
function digitsText(text: string): string {
  const value = Number(text);
  if (!Number.isFinite(value)) return text;
  if (Number.isSafeInteger(value) || !/^-?\d+$/.test(text)) return numberText(value);
  const isDouble = BigInt(text) === BigInt(value) || text === plainDigits(value);
  return isDouble ? numberText(value) : text;
}

/** The shortest digits of a large integer, as some printers write them: `1e+24` as 1 and 24 zeros. */
function plainDigits(value: number): string {
  const [digits = '', exponent = '0'] = String(value).split('e+');
  const [whole = '', fraction = ''] = digits.split('.');
  return whole + fraction.padEnd(Number(exponent), '0');
}

function arrayText(values: readonly JsonValue[], path: string): string {
  if (values.length === 1) return valueText(values[0]!, path);
  let text = '[';
  for (const [index, value] of countedElements(values).entries()) {
    if (index > 0) text += ',';
    text += valueText(value, path);
  }
  return `${text}]`;
}

/** The elements of an array as they count: an array of one as its element, null among numbers as NaN. */
export function countedElements(values: readonly JsonValue[]): readonly JsonValue[] {
  // An element that is an array of one counts as its element already here: `[null,[null]]` are two numbers.
  const elements = values.map(unwrapped);
  const isNumeric = elements.every(
    (value) => value === null || typeof value === 'number' || isRawNumber(value),
  );
  return isNumeric && elements.includes(null) ? elements.map((value) => value ?? Number.NaN) : elements;
}

/** An array of one as its element. */
export const unwrapped = (value: JsonValue): JsonValue =>
  Array.isArray(value) && value.length === 1 ? unwrapped(value[0]!) : value;

function objectText(object: JsonObject, path: string, dropped: ReadonlySet<string> | undefined): string {
  let text = '{';
  for (const key of Object.keys(object).sort()) {
    if (dropped?.has(key)) continue;
    if (text.length > 1) text += ',';
    text += `${JSON.stringify(key)}:${valueText(object[key]!, memberPath(path, key))}`;
  }
  return `${text}}`;
}

function memberPath(path: string, key: string): string {
  if (path === '' && key === 'files') return 'files';
  if (path === 'files' && key === 'file_info') return 'files.file_info';
  if (path === 'files.file_info' && key === 'locations') return LOCATIONS_PATH;
  return '-';
}
