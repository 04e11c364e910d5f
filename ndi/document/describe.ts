/**
 * The facts of a document that a transfer needs, whatever writer made it. MATLAB stores a one-element array
 * of objects as the bare object (dataset format §3), so every list goes through `asArray`.
 */
import { CourierError } from '../../errors/index.ts';
import { isSafeName } from '../ids.ts';
import { isRawNumber } from './json-raw.ts';
import type {
  Dependency,
  DocumentFacts,
  DocumentFile,
  FileLocation,
  JsonObject,
  JsonValue,
} from './types.ts';

/**
 * Ids become parts of file names and of cloud paths. Wider than NDI's own 33 characters: foreign ids are
 * carried too.
 */
const ID = /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/;

/** A list that MATLAB may have unwrapped: nothing is empty, one bare element is a list of one. */
export function asArray(value: JsonValue | undefined): JsonValue[] {
  if (value === undefined || value === null) return [];
  return Array.isArray(value) ? value : [value];
}

/** A group or a list element as an object; anything else has no members. An array of one is that one. */
export function asObject(value: JsonValue | undefined): JsonObject {
  const one = Array.isArray(value) && value.length === 1 ? value[0] : value;
  return typeof one === 'object' && one !== null && !Array.isArray(one) && !isRawNumber(one)
    ? (one as JsonObject)
    : {};
}

/** A text member: empty where NDI has none (`[]`, null, absent). */
export function asText(value: JsonValue | undefined): string {
  if (typeof value === 'string') return value;
  if (typeof value === 'number') return String(value);
  return isRawNumber(value) ? value.rawJSON : '';
}

/** `$NDIDOCUMENTPATH/metadata/openminds.json` → `openminds`. */
export function classLeaf(definition: string): string {
  const leaf = definition.slice(Math.max(definition.lastIndexOf('/'), definition.lastIndexOf('\\')) + 1);
  return leaf.endsWith('.json') ? leaf.slice(0, -'.json'.length) : leaf;
}

/**
 * What `document` is, names and needs.
 * @throws NDI_E_BAD_ID when its id or a file uid could not be part of a path. A file name may be any text.
 */
export function describeDocument(document: JsonObject): DocumentFacts {
  const base = asObject(document.base);
  const id = asText(base.id);
  if (!ID.test(id)) throw badId('document', id, id);
  const documentClass = asObject(document.document_class);
  const files = asObject(document.files);
  const series = asArray(files.series_info).map((entry) => asText(asObject(entry).name));
  return {
    id,
    sessionId: asText(base.session_id),
    className: asText(documentClass.class_name),
    name: asText(base.name),
    datestamp: asText(base.datestamp),
    superclasses: asArray(documentClass.superclasses)
      .map((entry) => classLeaf(asText(asObject(entry).definition)))
      .filter((name) => name !== ''),
    dependsOn: asArray(document.depends_on)
      .map(dependency)
      .filter((entry) => entry.name !== ''),
    files: asArray(files.file_info)
      .map((entry) => file(asObject(entry), id))
      .filter((entry) => entry !== undefined),
    ...(series.length > 0 ? { series } : {}),
  };
}

function dependency(value: JsonValue): Dependency {
  const entry = asObject(value);
  return { name: asText(entry.name), value: asText(entry.value) };
}

/** An entry without name and locations says nothing: MATLAB leaves one behind when a file list is emptied. */
function file(entry: JsonObject, documentId: string): DocumentFile | undefined {
  const locations = asArray(entry.locations).map((value) => location(asObject(value), documentId));
  const name = asText(entry.name);
  if (name === '' && locations.length === 0) return undefined;
  return { name, locations };
}

function location(value: JsonObject, documentId: string): FileLocation {
  const uid = asText(value.uid);
  if (uid !== '' && !isSafeName(uid)) throw badId('file', uid, documentId);
  return { uid, location: asText(value.location), locationType: asText(value.location_type) };
}

const badId = (what: string, value: string, documentId: string): CourierError =>
  new CourierError('NDI_E_BAD_ID', {
    detail: `${what} ${JSON.stringify(value.slice(0, 80))} in document ${JSON.stringify(documentId.slice(0, 80))}`,
  });
