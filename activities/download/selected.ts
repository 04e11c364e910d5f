/**
 * Which documents of a cloud dataset a selection means: the cloud is asked, as its lists name neither lineage
 * nor session.
 */

import { eachPage } from '../../ndi/cloud/pages.ts';
import type { CloudClient } from '../../ndi/cloud/types.ts';
import { BOOKKEEPING_CLASSES } from '../../ndi/dataset/identity.ts';
import { isEverything, type Selection } from '../../ndi/dataset/selection.ts';
import { parseDocument } from '../../ndi/document/codec.ts';
import { describeDocument } from '../../ndi/document/describe.ts';

const PAGE_SIZE = 1_000;
const FETCH_BATCH = 200;

interface CloudQuery {
  readonly cloud: CloudClient;
  readonly ref: { readonly cloudDatasetId: string };
  readonly signal: AbortSignal;
}

/**
 * NDI ids; null for all. The documents that say what a dataset is are always among them: without them it is
 * none.
 */
export async function selectedDocuments(
  scope: CloudQuery,
  selection: Selection | null | undefined,
): Promise<ReadonlySet<string> | null> {
  if (selection == null || isEverything(selection)) return null;
  const conditions: Set<string>[] = [];
  if (selection.documents.length > 0) conditions.push(new Set(selection.documents));
  if (selection.classes.length > 0)
    conditions.push(await unionOf(selection.classes.map((name) => ofClass(scope, name))));
  if (selection.sessions.length > 0) conditions.push(await ofSessions(scope, selection.sessions));
  const wanted = conditions.reduce((all, condition) => all.intersection(condition));
  const bookkeeping = await unionOf(BOOKKEEPING_CLASSES.map((name) => ofClass(scope, name)));
  return wanted.union(bookkeeping);
}

async function unionOf(sets: readonly Promise<Set<string>>[]): Promise<Set<string>> {
  let union = new Set<string>();
  for (const set of sets) union = union.union(await set);
  return union;
}

const ofClass = async (scope: CloudQuery, name: string): Promise<Set<string>> =>
  new Set(
    (await rowsOf(scope, { field: '', operation: 'isa', param1: name, param2: '' })).map((row) => row.ndiId),
  );

/** Sessions by id, or by the reference that their own document has. */
async function ofSessions(scope: CloudQuery, wanted: readonly string[]): Promise<Set<string>> {
  const ids = new Set(wanted);
  const sessions = await rowsOf(scope, { field: '', operation: 'isa', param1: 'session', param2: '' });
  const { cloud, ref, signal } = scope;
  for (let at = 0; at < sessions.length; at += FETCH_BATCH) {
    const batch = sessions.slice(at, at + FETCH_BATCH).map((row) => row.id);
    for (const { text } of await cloud.documents.bulkFetch(ref.cloudDatasetId, batch, signal)) {
      const document = parseDocument(text);
      const { reference } = (document.session ?? {}) as { reference?: unknown };
      if (wanted.includes(String(reference))) ids.add(describeDocument(document).sessionId);
    }
  }
  const inSession = (id: string) =>
    rowsOf(scope, { field: 'base.session_id', operation: 'exact_string', param1: id, param2: '' });
  return unionOf([...ids].map(async (id) => new Set((await inSession(id)).map((row) => row.ndiId))));
}

async function rowsOf({ cloud, ref, signal }: CloudQuery, condition: object) {
  const rows = [];
  const pages = eachPage(PAGE_SIZE, (page) => cloud.query(ref.cloudDatasetId, [condition], page, signal));
  for await (const page of pages) rows.push(...page.rows);
  return rows;
}
