/**
 * The work of the cloud after a PUT, and for a bulk download: document zips are imported, file zips
 * extracted, download zips made. Each is a task that survives a restart (NDI Cloud contract §2.5 E9/E10,
 * §2.8, §4.5).
 *
 * As in the cloud, each PUT starts the work once: a client that sends the same zip twice has its documents
 * twice.
 */

import type { FileHandle } from 'node:fs/promises';
import { setImmediate as breathe } from 'node:timers/promises';
import { delayOf, type FaultHit, type FaultKind, findHit, param } from '../faults.ts';
import { parseLenient, splitElements } from '../json.ts';
import type { ObjectInfo } from '../objects/bucket.ts';
import type { Task } from '../tasks.ts';
import { listZip, readEntry, type ZipEntry } from '../zip-read.ts';
import { writeZip } from '../zip-write.ts';
import { datasetById } from './dataset-record.ts';
import { addToCount, type IndexedBody, indexBody, insertDocument } from './document-record.ts';
import { fileArrived } from './files.ts';
import { type Cloud, isObject } from './http.ts';

const BATCH = 250;

export function registerImports(cloud: Cloud): void {
  cloud.tasks.register('import-documents', (task, signal) => importDocuments(cloud, task, signal));
  cloud.tasks.register('extract-files', (task, signal) => extractFiles(cloud, task, signal));
  cloud.tasks.register('make-download', (task) => makeDownload(cloud, task));
  cloud.tasks.register('lose-job', ({ payload }) => {
    cloud.store.run(
      "UPDATE jobs SET state='failed', completed_ms=?, error=? WHERE id=?",
      cloud.now(),
      'Extraction failed',
      String(payload.jobId),
    );
  });
}

/** An object has arrived in the bucket: what its key means, and what follows. */
export function objectArrived(cloud: Cloud, info: ObjectInfo, hits: readonly FaultHit[]): void {
  const [kind = '', datasetId = '', name = ''] = info.key.split('/');
  if (kind === 'bulk-documents') {
    const effects = [...hits, ...cloud.faults.worker('IMPORT documents', info.key)];
    const delay = cloud.knobs.importDelayMs + delayOf(effects);
    cloud.tasks.schedule('import-documents', delay, { key: info.key, datasetId, effects });
  } else if (kind === 'bulk-files') {
    const effects = [...hits, ...cloud.faults.worker('IMPORT files', info.key)];
    const jobId = name.replace(/\.zip$/, '');
    const delay = cloud.knobs.importDelayMs + delayOf(effects);
    cloud.tasks.schedule('extract-files', delay, { key: info.key, datasetId, jobId, effects });
  } else if (findHit(hits, 'import-lost') === undefined) {
    const uid = info.key.slice(kind.length + 1);
    fileArrived(cloud, kind, uid, info, cloud.now() + cloud.knobs.fileDelayMs + delayOf(hits));
  }
}

const effectsOf = (task: Task): FaultHit[] =>
  Array.isArray(task.payload.effects) ? task.payload.effects : [];

/**
 * Which of the elements get lost: all without a `fraction`; else that share of them, spread evenly, so that a
 * test knows how many.
 */
function loser(hits: readonly FaultHit[], kind: FaultKind): (index: number) => boolean {
  const hit = findHit(hits, kind);
  if (hit === undefined) return () => false;
  const fraction = param(hit, 'fraction', 1);
  return (index) => Math.floor((index + 1) * fraction) > Math.floor(index * fraction);
}

async function importDocuments(cloud: Cloud, task: Task, signal: AbortSignal): Promise<void> {
  const { key, datasetId } = task.payload as { key: string; datasetId: string };
  const info = cloud.bucket.info(key);
  const file = await cloud.bucket.open(key);
  if (info === undefined || file === undefined) return;
  const sink = createSink(cloud, task, datasetId);
  try {
    for (const entry of await listZip(file, info.size)) {
      if (!entry.name.toLowerCase().endsWith('.json')) continue;
      // An entry that does not parse brings in nothing; its neighbours are imported.
      if (!(await parses(file, entry))) {
        cloud.log(`import: an entry is not JSON, dropped`);
        continue;
      }
      for await (const text of splitElements(readEntry(file, entry))) {
        await sink.add(text);
        signal.throwIfAborted();
      }
    }
    sink.flush();
  } finally {
    await file.close();
  }
}

async function parses(file: FileHandle, entry: ZipEntry): Promise<boolean> {
  try {
    let count = 0;
    for await (const text of splitElements(readEntry(file, entry))) {
      parseLenient(text);
      if (++count % BATCH === 0) await breathe();
    }
    return true;
  } catch {
    return false;
  }
}

/**
 * Takes elements in, a batch per transaction; what a run before a restart has taken in already is passed
 * over.
 */
function createSink(cloud: Cloud, task: Task, datasetId: string) {
  const { store } = cloud;
  const lost = loser(effectsOf(task), 'import-lost');
  const doubled = loser(effectsOf(task), 'duplicate-insert');
  let index = 0;
  let batch: IndexedBody[] = [];
  const flush = (): void => {
    const dataset = datasetById(store, datasetId);
    const gone = dataset === undefined || (dataset.purge_ms !== null && dataset.purge_ms <= cloud.now());
    const taken = gone ? [] : batch;
    batch = [];
    store.transaction(() => {
      for (const body of taken) insertDocument(store, datasetId, body, cloud.now());
      if (taken.length > 0) addToCount(cloud, datasetId, taken.length);
      cloud.tasks.setProgress(task.id, index);
    });
  };
  return {
    flush,
    add: async (text: string): Promise<void> => {
      const at = index++;
      if (at < task.progress) return;
      const body = parseLenient(text);
      // An element that is no object is dropped silently (§10 row 9).
      if (isObject(body) && !lost(at)) {
        const indexed = indexBody(body);
        batch.push(indexed);
        if (doubled(at)) batch.push(indexed);
      }
      if (batch.length >= BATCH) {
        flush();
        await breathe();
      }
    },
  };
}

async function extractFiles(cloud: Cloud, task: Task, signal: AbortSignal): Promise<void> {
  const { key, datasetId, jobId } = task.payload as { key: string; datasetId: string; jobId: string };
  const { store } = cloud;
  const effects = effectsOf(task);
  const hit = findHit(effects, 'import-lost');
  // Lost as a whole: the job says nothing, or that it failed; with a fraction it completes with fewer files.
  if (hit !== undefined && hit.params.fraction === undefined) {
    if (hit.params.jobState === 'failed') cloud.tasks.schedule('lose-job', 0, { jobId });
    return;
  }
  const info = cloud.bucket.info(key);
  const file = await cloud.bucket.open(key);
  if (info === undefined || file === undefined) return;
  store.run(
    "UPDATE jobs SET state='extracting', started_ms=?, files_extracted=0 WHERE id=?",
    cloud.now(),
    jobId,
  );
  try {
    const entries = (await listZip(file, info.size)).filter((entry) => !entry.name.includes('/'));
    store.run('UPDATE jobs SET total_files=? WHERE id=?', entries.length, jobId);
    const lost = loser(effects, 'import-lost');
    const early = findHit(effects, 'uploaded-before-readable');
    const readableMs = early === undefined ? 0 : cloud.now() + param(early, 'ms', 5000);
    const taking = createExtraction(cloud, file, { datasetId, jobId, readableMs });
    for (const [index, entry] of entries.entries()) {
      signal.throwIfAborted();
      if (!lost(index)) await taking.add(entry);
    }
    taking.flush();
    store.run("UPDATE jobs SET state='complete', completed_ms=? WHERE id=?", cloud.now(), jobId);
  } catch (error) {
    if (signal.aborted) throw error;
    const message = error instanceof Error ? error.message : String(error);
    store.run(
      "UPDATE jobs SET state='failed', completed_ms=?, error=? WHERE id=?",
      cloud.now(),
      message,
      jobId,
    );
  } finally {
    await file.close();
  }
}

const SMALL_BYTES = 256 * 1024;
const LOT = 64;

/**
 * Small files go in by lots, one transaction for each: 10,000 of them must not take long. Large ones are
 * streamed.
 */
function createExtraction(
  cloud: Cloud,
  file: FileHandle,
  job: { datasetId: string; jobId: string; readableMs: number },
) {
  const { store, bucket } = cloud;
  let lot: { name: string; bytes: Uint8Array }[] = [];
  const keyOf = (name: string): string => `${job.datasetId}/${name}`;
  const arrived = (name: string, info: ObjectInfo): void => {
    fileArrived(cloud, job.datasetId, name, info, cloud.now());
    store.run('UPDATE jobs SET files_extracted=files_extracted+1 WHERE id=?', job.jobId);
  };
  const flush = (): void => {
    const taken = lot;
    lot = [];
    store.transaction(() => {
      for (const { name, bytes } of taken) {
        arrived(name, bucket.putSmall(keyOf(name), bytes, 'binary/octet-stream', job.readableMs));
      }
    });
  };
  const addLarge = async (entry: ZipEntry): Promise<void> => {
    const writer = bucket.writer(keyOf(entry.name));
    try {
      for await (const chunk of readEntry(file, entry)) await writer.write(chunk);
    } catch (error) {
      await writer.abort();
      throw error;
    }
    arrived(entry.name, await writer.commit('binary/octet-stream', job.readableMs));
  };
  return {
    flush,
    add: async (entry: ZipEntry): Promise<void> => {
      if (entry.size > SMALL_BYTES) return addLarge(entry);
      const parts: Uint8Array[] = [];
      for await (const chunk of readEntry(file, entry)) parts.push(chunk);
      lot.push({ name: entry.name, bytes: parts.length === 1 ? parts[0]! : Buffer.concat(parts) });
      if (lot.length >= LOT) flush();
    },
  };
}

/** E10: one entry with one array, bodies as they came, sentinels for NaN and Infinity (§4.3, §9.3 item 4). */
async function makeDownload(cloud: Cloud, task: Task): Promise<void> {
  const { key, datasetId, ids } = task.payload as { key: string; datasetId: string; ids: string[] };
  const hits = effectsOf(task);
  const hit = findHit(hits, 'import-lost');
  if (hit !== undefined && hit.params.fraction === undefined) return;
  const path = cloud.bucket.temporaryPath();
  const lost = loser(hits, 'import-lost');
  const { size, md5 } = await writeZip(path, 'documents.json', arrayOf(bodies(cloud, datasetId, ids), lost));
  await cloud.bucket.adopt(key, path, size, md5);
}

async function* arrayOf(
  texts: AsyncIterable<string>,
  lost: (index: number) => boolean,
): AsyncGenerator<Buffer> {
  let pending = '[';
  let separator = '';
  let index = 0;
  for await (const text of texts) {
    if (lost(index++)) continue;
    pending += separator + text;
    separator = ',';
    if (pending.length < 256 * 1024) continue;
    yield Buffer.from(pending);
    pending = '';
  }
  yield Buffer.from(`${pending}]`);
}

/** All bodies in order, or those of the ids as asked for: an id given twice comes twice (§2.5 E10). */
async function* bodies(cloud: Cloud, datasetId: string, ids: string[]): AsyncGenerator<string> {
  const { store } = cloud;
  if (ids.length > 0) {
    for (const [index, id] of ids.entries()) {
      const row = store.get<{ body: string }>(
        'SELECT b.body FROM documents d JOIN bodies b ON b.seq=d.seq WHERE d.id=? AND d.dataset_id=? AND d.deleted_ms IS NULL',
        id,
        datasetId,
      );
      if (row !== undefined) yield row.body;
      if (index % BATCH === BATCH - 1) await breathe();
    }
    return;
  }
  for (let after = 0; ; ) {
    const rows = store.all<{ seq: number; body: string }>(
      'SELECT d.seq, b.body FROM documents d JOIN bodies b ON b.seq=d.seq WHERE d.dataset_id=? AND d.seq>? AND d.deleted_ms IS NULL ORDER BY d.seq LIMIT ?',
      datasetId,
      after,
      BATCH,
    );
    for (const row of rows) yield row.body;
    if (rows.length < BATCH) return;
    after = rows.at(-1)?.seq ?? after;
    await breathe();
  }
}
