/**
 * `POST /ndiquery` (NDI Cloud contract §2.6): scopes, paging and the walk over candidates; the operations are
 * in `search.ts`.
 */

import type { SQLInputValue } from 'node:sqlite';
import { setImmediate as breathe } from 'node:timers/promises';
import { isCloudId } from '../store.ts';
import { type DatasetRow, mayRead } from './dataset-record.ts';
import { type DocumentRow, summaryOf } from './document-record.ts';
import { type Api, type Ask, pageOf, textOf } from './http.ts';
import { badRequest, ok } from './refusal.ts';
import { compileSearch, type Search } from './search.ts';

const SCAN = 500;

export function registerQuery(api: Api): void {
  api.route('POST', '/ndiquery', 'optional', query);
}

async function query(ask: Ask) {
  const body = await ask.object();
  const datasets = datasetsOf(ask, body.scope);
  const search = compileSearch(body.searchstructure);
  const page = pageOf(ask, 20, 1000);
  const found: DocumentRow[] = [];
  let matches = 0;
  for (const dataset of datasets) {
    for await (const row of candidates(ask, dataset.id, search)) {
      if (!search.matches(row, row.body)) continue;
      if (matches >= page.offset && found.length < page.pageSize) found.push(row);
      matches++;
    }
  }
  if (ask.hit('unstable-order') !== undefined) found.sort(() => Math.random() - 0.5);
  const documents = found.map((row) => ({ ...summaryOf(row), datasetId: row.dataset_id }));
  return ok({
    documents,
    number_matches: matches,
    totalItems: matches,
    page: page.page,
    pageSize: page.pageSize,
  });
}

/** The datasets of a scope; what the asker may not read is dropped silently. */
function datasetsOf(ask: Ask, scope: unknown): DatasetRow[] {
  const text = textOf(scope).trim();
  const all = ask.cloud.store
    .all<DatasetRow>('SELECT * FROM datasets WHERE deleted_ms IS NULL ORDER BY seq')
    .filter((dataset) => mayRead(ask.cloud, ask.user, dataset));
  if (text === 'all') return all;
  if (text === 'public') return all.filter((dataset) => dataset.is_published === 1);
  if (text === 'private') return all.filter((dataset) => dataset.is_published === 0);
  const ids = text.split(',').map((id) => id.trim().toLowerCase());
  if (!ids.every(isCloudId)) throw badRequest('scope must be public, private, all or dataset ids');
  return all.filter((dataset) => ids.includes(dataset.id));
}

/**
 * Walks a dataset in steps, letting other requests through between them; an index narrows it where the search
 * allows.
 */
async function* candidates(
  ask: Ask,
  datasetId: string,
  search: Search,
): AsyncGenerator<DocumentRow & { body: string }> {
  const hints: SQLInputValue[] = [];
  let where = 'd.dataset_id=? AND d.created_ms<=? AND (d.deleted_ms IS NULL OR d.deleted_ms>?)';
  if (search.ndiId !== undefined) {
    where += ' AND d.ndi_id=?';
    hints.push(search.ndiId);
  }
  for (const name of search.classes) {
    where += ' AND instr(d.lineage, ?)>0';
    hints.push(`,${name},`);
  }
  for (let after = 0; ; ) {
    const rows = ask.cloud.store.all<DocumentRow & { body: string }>(
      `SELECT d.*, b.body FROM documents d JOIN bodies b ON b.seq=d.seq WHERE ${where} AND d.seq>? ORDER BY d.seq LIMIT ${SCAN}`,
      datasetId,
      ask.asOf(),
      ask.asOf(),
      ...hints,
      after,
    );
    yield* rows;
    if (rows.length < SCAN) return;
    after = rows.at(-1)?.seq ?? after;
    await breathe();
  }
}
