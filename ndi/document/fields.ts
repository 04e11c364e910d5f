/**
 * A document as fields that have a place: `base.name`, `depends_on[subject_id].value`, `element.t0_t1[2]`.
 * Content counts as in `canonical.ts`. What is compared or merged field by field is taken apart here:
 *
 *   objects         by key
 *   depends_on      by the name of the dependency: NDI looks dependencies up by name, their order says nothing
 *   files           `file_info` and `series_info` by the name of the file, `file_list` by the names themselves
 *   other arrays    by position, where their lengths agree
 *
 * Taken as a whole: `document_class`, because its members only mean something together; and what one file name
 * stands for, because uids of two sides in one entry would say that two contents are the same file.
 */
import { canonicalText, countedElements, unwrapped } from './canonical.ts';
import { asArray, asObject, asText } from './describe.ts';
import { isRawNumber } from './json-raw.ts';
import type { JsonObject, JsonValue } from './types.ts';

type PlaceKind =
  | 'document'
  /** What the document is. Two documents that differ in it are no versions of each other. */
  | 'identity'
  | 'base'
  | 'dependencies'
  | 'files'
  | 'file-names'
  | 'file-infos'
  | 'file-info'
  | 'series'
  /** Compared as one value. */
  | 'whole'
  | 'plain';

export interface Place {
  readonly kind: PlaceKind;
  /** As people read it. Empty for the document itself. */
  readonly path: string;
  readonly level: number;
}

export const DOCUMENT: Place = { kind: 'document', path: '', level: 0 };

/** What is deeper is compared as one value: each level reads the text below it once more. */
const MAX_LEVELS = 32;

/** More are data, which a document should not hold: a million parts would take half a gigabyte. */
const MOST_PARTS = 10_000;

type Shape = 'object' | 'list' | 'array';

export interface Parts {
  readonly shape: Shape;
  /** The members of each value, in its own order. */
  readonly members: readonly ReadonlyMap<string, JsonValue>[];
}

/** Around a value, so that canonical text drops what does not count: it does so on its way from the top. */
const WRAPPERS: Readonly<Partial<Record<PlaceKind, readonly string[]>>> = {
  document: [],
  files: ['files'],
  'file-infos': ['files', 'file_info'],
  'file-info': ['files', 'file_info'],
};

/** One text per meaning of a value at this place; empty for a value that is not there. */
export function contentText({ kind }: Place, value: JsonValue | undefined): string {
  if (value === undefined) return '';
  const wrappers = WRAPPERS[kind] ?? ['value'];
  const document = wrappers.reduceRight<JsonValue>((inner, key) => ({ [key]: inner }), value);
  const text = canonicalText(document as JsonObject);
  const before = wrappers.reduce((length, key) => length + `{"${key}":`.length, 0);
  return text.slice(before, text.length - wrappers.length);
}

/** The values in parts that can be compared one by one; undefined where only the whole values can be. */
export function takeApart(place: Place, values: readonly JsonValue[]): Parts | undefined {
  if (place.level >= MAX_LEVELS) return undefined;
  switch (place.kind) {
    case 'identity':
    case 'file-info':
    case 'whole':
      return undefined;
    case 'dependencies':
    case 'file-infos':
    case 'series':
      return listParts(values, (entry) => asText(asObject(entry).name));
    case 'file-names':
      return listParts(values, (entry) => (typeof entry === 'string' ? entry : ''));
    default:
      return plainParts(values.map(unwrapped), place.kind === 'document');
  }
}

function plainParts(values: readonly JsonValue[], isDocument: boolean): Parts | undefined {
  if (values.some(hasManyParts)) return undefined;
  if (values.every(isMembers)) {
    // The record's own id at the top is the cloud's, and no content.
    const isContent = ([key]: [string, JsonValue]): boolean => !isDocument || (key !== 'id' && key !== '_id');
    return {
      shape: 'object',
      members: values.map((value) => new Map(Object.entries(value).filter(isContent))),
    };
  }
  const arrays = values.filter((value) => Array.isArray(value));
  if (arrays.length < values.length || arrays.some((array) => array.length !== arrays[0]?.length))
    return undefined;
  return {
    shape: 'array',
    members: arrays.map(
      (array) => new Map(countedElements(array).map((element, index) => [String(index), element])),
    ),
  };
}

const hasManyParts = (value: JsonValue): boolean =>
  Array.isArray(value)
    ? value.length > MOST_PARTS
    : isMembers(value) && Object.keys(value).length > MOST_PARTS;

/** Undefined for a list in which two entries have one name, or an entry has none. */
function listParts(values: readonly JsonValue[], nameOf: (entry: JsonValue) => string): Parts | undefined {
  if (values.some(hasManyParts)) return undefined;
  const members = values.map(
    (value) => new Map(asArray(value).map((entry) => [nameOf(entry), entry] as const)),
  );
  const isNamed = members.every(
    (entries, index) => !entries.has('') && entries.size === asArray(values[index]).length,
  );
  return isNamed ? { shape: 'list', members } : undefined;
}

export const isMembers = (value: JsonValue | undefined): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value) && !isRawNumber(value);

/** Kinds of places that are not plain, by where they are. */
const MEMBER_KINDS: Readonly<Partial<Record<PlaceKind, Readonly<Record<string, PlaceKind>>>>> = {
  document: { document_class: 'identity', base: 'base', depends_on: 'dependencies', files: 'files' },
  base: { id: 'identity' },
  files: { file_list: 'file-names', file_info: 'file-infos', series_info: 'series' },
};

const ENTRY_KINDS: Readonly<Partial<Record<PlaceKind, PlaceKind>>> = {
  'file-names': 'whole',
  'file-infos': 'file-info',
  series: 'whole',
};

/** The place of a member of a value at `place`. */
export function placeOf(place: Place, shape: Shape, key: string): Place {
  const kinds = shape === 'object' ? MEMBER_KINDS[place.kind] : undefined;
  const known = kinds !== undefined && Object.hasOwn(kinds, key) ? kinds[key] : undefined;
  return {
    kind: known ?? (shape === 'object' ? 'plain' : (ENTRY_KINDS[place.kind] ?? 'plain')),
    path: pathOf(place.path, shape, key),
    level: place.level + 1,
  };
}

function pathOf(path: string, shape: Shape, key: string): string {
  if (shape === 'array') return `${path}[${key}]`;
  if (shape === 'list') return /[[\]"]/.test(key) ? `${path}[${JSON.stringify(key)}]` : `${path}[${key}]`;
  if (!/^[\w-]+$/.test(key)) return `${path}[${JSON.stringify(key)}]`;
  return path === '' ? key : `${path}.${key}`;
}
