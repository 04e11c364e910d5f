/**
 * Peak memory of the worker process, by the kernel's own count (VmHWM: everything that was ever in memory at
 * once, threads and shared libraries too). Worker, sandbox and server are processes of their own, as in real
 * use.
 */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { type BenchLab, createBenchLab } from '../../bench/lab.ts';
import { compareDatasets } from '../../ndi/dataset/compare.ts';
import { makeDataset } from '../../ndi/synthetic/dataset.ts';

const MiB = 1024 * 1024;
const LIMIT_MIB = 400;
const BIG_FILE_BYTES = 4_000_000_000;
const MANY_DOCUMENTS = 80_000;

/** The worker is fresh for each way, so each peak is of one run. */
async function peaks(lab: BenchLab, source: string, target: string) {
  await lab.restartWorker();
  const up = await lab.upload(source);
  const upMiB = Math.round(lab.workerPeakBytes() / MiB);
  await lab.restartWorker();
  const down = await lab.download(up.result.datasetId, target);
  const downMiB = Math.round(lab.workerPeakBytes() / MiB);
  console.log(
    `up ${upMiB} MiB in ${up.seconds.toFixed(1)} s, down ${downMiB} MiB in ${down.seconds.toFixed(1)} s`,
  );
  return { up: up.result, down: down.result, upMiB, downMiB };
}

describe(`the worker stays under ${LIMIT_MIB} MiB`, () => {
  let lab: BenchLab;
  beforeAll(async () => {
    const temporal = { address: inject('temporalAddress'), namespace: inject('temporalNamespace') };
    lab = await createBenchLab({ temporal });
  });
  afterAll(() => lab?.close());

  it('for a file of 4 GB, up and down', async () => {
    const source = join(lab.dir, 'large');
    const target = join(lab.dir, 'large-target');
    const size = { fileBytes: BIG_FILE_BYTES, bigFileBytes: BIG_FILE_BYTES };
    await makeDataset(source, { documents: 30, files: 1, ...size });
    const { up, down, upMiB, downMiB } = await peaks(lab, source, target);
    expect(up).toMatchObject({ status: 'done', files: { total: 1, transferred: 1, failed: 0 } });
    expect(down).toMatchObject({ status: 'done', files: { total: 1, transferred: 1, failed: 0 } });
    // Compares every byte.
    expect(await compareDatasets(source, target)).toMatchObject({ equal: true });
    expect(upMiB).toBeLessThan(LIMIT_MIB);
    expect(downMiB).toBeLessThan(LIMIT_MIB);
    for (const dir of [source, target]) rmSync(dir, { recursive: true });
  });

  it('for 80,000 documents, up and down', async () => {
    const source = join(lab.dir, 'many');
    const target = join(lab.dir, 'many-target');
    await makeDataset(source, { documents: MANY_DOCUMENTS, files: 0, fileBytes: 0 });
    const { up, down, upMiB, downMiB } = await peaks(lab, source, target);
    expect(up.problems).toEqual([]);
    expect(up.documents).toMatchObject({ transferred: up.documents.total, failed: 0 });
    expect(up.documents.total).toBeGreaterThanOrEqual(MANY_DOCUMENTS);
    expect(down.problems).toEqual([]);
    expect(down.documents).toMatchObject({ transferred: up.documents.total, failed: 0 });
    expect(await compareDatasets(source, target)).toMatchObject({ equal: true });
    expect(upMiB).toBeLessThan(LIMIT_MIB);
    expect(downMiB).toBeLessThan(LIMIT_MIB);
  });
});
