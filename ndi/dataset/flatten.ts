/**
 * The searchable form of a document: rows of `doc_data` (dataset format §2). Without them a document is
 * invisible to Python and to every search. Values are written the way both languages can query: numbers REAL,
 * booleans 0/1, empty NULL, arrays as JSON text.
 */
import { stringifyDocument } from '../document/codec.ts';
import { asArray, asObject, asText, describeDocument } from '../document/describe.ts';
import { isRawNumber } from '../document/json-raw.ts';
import type { DocumentFacts, JsonObject, JsonValue } from '../document/types.ts';

export type FieldValue = string | number | null;

export interface FieldRow {
  /** The `class` column: the group. */
  readonly group: string;
  /** The `field_name` column, e.g. `base.id`. */
  readonly field: string;
  readonly value: FieldValue;
}

const NOT_GROUPS = new Set(['depends_on', 'document_class', 'files']);
/** A column that DID keeps for itself. */
const RESERVED_FIELD = 'doc_id';

/** The rows of one document: the six `meta` fields, then every group in the order of the document. */
export function flattenDocument(
  document: JsonObject,
  facts: DocumentFacts = describeDocument(document),
): FieldRow[] {
  const rows: FieldRow[] = [];
  const meta = (field: string, value: string): void => {
    rows.push({ group: 'meta', field: `meta.${field}`, value: value === '' ? null : value });
  };
  meta('class', facts.className);
  meta('superclass', [...new Set(facts.superclasses)].sort().join(', '));
  meta('datestamp', facts.datestamp);
  meta('creation', '');
  meta('deletion', '');
  meta('depends_on', dependsOnText(document));
  for (const group in document) {
    if (NOT_GROUPS.has(group)) continue;
    const value = unwrap(document[group]!);
    if (isGroup(value)) flattenGroup(rows, group, group, group, value);
  }
  return rows;
}

/** As MATLAB: entries that point nowhere are kept. */
const dependsOnText = (document: JsonObject): string =>
  asArray(document.depends_on)
    .map((value) => asObject(value))
    .map((entry) => `${asText(entry.name)},${asText(entry.value)};`)
    .join('');

function flattenGroup(
  rows: FieldRow[],
  group: string,
  prefix: string,
  parent: string,
  members: JsonObject,
): void {
  for (const key in members) {
    if (key === RESERVED_FIELD) continue;
    const value = unwrap(members[key]!);
    if (!isGroup(value)) rows.push({ group, field: `${prefix}.${key}`, value: scalar(value) });
    // A group inside a group of the same name: MATLAB drops the repeated part.
    else flattenGroup(rows, group, key === parent ? prefix : `${prefix}.${key}`, key, value);
  }
}

const isGroup = (value: JsonValue): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value) && !isRawNumber(value);

/**
 * To MATLAB an array of one number or one object is that number or object; one string in an array is a cell.
 */
function unwrap(value: JsonValue): JsonValue {
  if (!Array.isArray(value) || value.length !== 1) return value;
  const one = value[0]!;
  return typeof one === 'number' || isRawNumber(one) || isGroup(one) ? one : value;
}

function scalar(value: JsonValue): FieldValue {
  if (typeof value === 'string') return value === '' ? null : value;
  // SQLite keeps NaN as NULL.
  if (typeof value === 'number') return value;
  if (typeof value === 'boolean') return value ? 1 : 0;
  if (value === null) return null;
  if (isRawNumber(value)) return Number(value.rawJSON);
  if (Array.isArray(value) && value.length === 0) return null;
  return stringifyDocument(value as JsonObject);
}

/** The `json_name` column. */
export const jsonName = (field: string): string => field.replaceAll('.', '___').replace(/\s/g, '_');
