/**
 * A document as rows and shapes: what is stored of a body, and the four ways in which the cloud shows it
 * (§4.2).
 */
import { withLiterals } from '../json.ts';
import { newCloudId, type Store } from '../store.ts';
import { type Ask, type Cloud, isObject, textOf } from './http.ts';

export interface DocumentRow {
  seq: number;
  id: string;
  dataset_id: string;
  ndi_id: string;
  name: string;
  class_name: string;
  lineage: string;
  has_locations: number;
  created_ms: number;
  updated_ms: number;
  deleted_ms: number | null;
  purge_ms: number | null;
}

export const SUMMARY_COLUMNS = 'id, ndi_id, name, class_name';

/** E1's row: the same keys always, or MATLAB cannot read the page (§2.5). */
export const summaryOf = (row: Pick<DocumentRow, 'id' | 'ndi_id' | 'name' | 'class_name'>) => ({
  id: row.id,
  ndiId: row.ndi_id,
  name: row.name,
  className: row.class_name,
});

const asList = (value: unknown): unknown[] =>
  Array.isArray(value) ? value : value === undefined || value === null ? [] : [value];

/** One-element lists may be bare objects (§4.1). */
function infosOf(body: Record<string, unknown>): Record<string, unknown>[] {
  const files = isObject(body.files) ? body.files : {};
  return asList(files.file_info).filter(isObject);
}

const locationsIn = (info: Record<string, unknown>): Record<string, unknown>[] =>
  asList(info.locations).filter(isObject);

/** Every file location of a body. */
export const locationsOf = (body: Record<string, unknown>): Record<string, unknown>[] =>
  infosOf(body).flatMap(locationsIn);

/** The files of a body: name, and the uids of their locations. */
export const fileInfosOf = (body: Record<string, unknown>): { name: string; uids: string[] }[] =>
  infosOf(body).map((info) => ({
    name: textOf(info.name),
    uids: locationsIn(info)
      .map((location) => textOf(location.uid))
      .filter((uid) => uid !== ''),
  }));

/** The class and its superclasses, as `isa` searches them: stored with commas all round. */
function lineageOf(body: Record<string, unknown>): string {
  const documentClass = isObject(body.document_class) ? body.document_class : {};
  const definitions = asList(documentClass.superclasses).filter(isObject);
  const leaf = (path: unknown): string =>
    textOf(path)
      .replace(/^.*[/\\]/, '')
      .replace(/\.json$/, '');
  const names = [textOf(documentClass.class_name), ...definitions.map((entry) => leaf(entry.definition))];
  return `,${[...new Set(names.filter((name) => name !== ''))].join(',')},`;
}

export interface IndexedBody {
  readonly ndiId: string;
  readonly name: string;
  readonly className: string;
  readonly lineage: string;
  readonly hasLocations: boolean;
  readonly text: string;
}

export function indexBody(body: Record<string, unknown>): IndexedBody {
  const base = isObject(body.base) ? body.base : {};
  const documentClass = isObject(body.document_class) ? body.document_class : {};
  return {
    ndiId: textOf(base.id),
    name: textOf(base.name),
    className: textOf(documentClass.class_name),
    lineage: lineageOf(body),
    hasLocations: locationsOf(body).length > 0,
    text: JSON.stringify(body),
  };
}

/** Stores a new document. No uniqueness of anything: the same body twice is two documents (§2.5 E2). */
export function insertDocument(store: Store, datasetId: string, body: IndexedBody, nowMs: number): string {
  const id = newCloudId(nowMs);
  store.run(
    'INSERT INTO documents (id, dataset_id, ndi_id, name, class_name, lineage, has_locations, created_ms, updated_ms) VALUES (?,?,?,?,?,?,?,?,?)',
    id,
    datasetId,
    body.ndiId,
    body.name,
    body.className,
    body.lineage,
    body.hasLocations ? 1 : 0,
    nowMs,
    nowMs,
  );
  store.run('INSERT INTO bodies VALUES (last_insert_rowid(), ?)', body.text);
  return id;
}

/**
 * The stored figure of the record: grows with documents, and drifts, for deletions do not lower it (§2.4).
 */
export function addToCount(cloud: Cloud, datasetId: string, added: number): void {
  const sql = 'UPDATE datasets SET document_count=document_count+?, updated_ms=? WHERE id=?';
  cloud.store.run(sql, added, cloud.now(), datasetId);
}

/**
 * A body with its file locations replaced by presigned URLs (§4.2 "hydrated"), as JSON text with literals.
 */
export function hydratedText(
  ask: Ask,
  row: Pick<DocumentRow, 'dataset_id' | 'has_locations'>,
  text: string,
): string {
  if (row.has_locations === 0) return withLiterals(text);
  const body = JSON.parse(text) as Record<string, unknown>;
  const { signer, knobs, store } = ask.cloud;
  const ttl = ask.hit('expired-url') === undefined ? knobs.urlTtlSeconds : 0;
  for (const location of locationsOf(body)) {
    const uid = textOf(location.uid);
    if (uid === '') continue;
    const file = store.get<{ source_dataset_id: string }>(
      'SELECT source_dataset_id FROM files WHERE dataset_id=? AND uid=?',
      row.dataset_id,
      uid,
    );
    location.location = signer.url('GET', `${file?.source_dataset_id ?? row.dataset_id}/${uid}`, ttl);
  }
  return withLiterals(JSON.stringify(body));
}
