import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { databasePath } from '../../ndi/dataset/layout.ts';
import { openDataset } from '../../ndi/dataset/read.ts';
import { makeDataset } from '../../ndi/synthetic/dataset.ts';
import type { UploadInput } from '../../workflows/contracts/index.ts';
import { closeIdleCopies, openForUnit } from './shared-copy.ts';

let dir: string;
let scratchDir: string;
let input: UploadInput;
beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), 'copies-'));
  scratchDir = join(dir, 'scratch');
  mkdirSync(scratchDir);
  const datasetDir = join(dir, 'dataset');
  await makeDataset(datasetDir, { documents: 40, files: 0, fileBytes: 0, seed: 1 });
  const reader = openDataset(datasetDir);
  const { datasetId } = reader.identity;
  reader.close();
  input = { datasetDir, datasetId } as UploadInput;
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const open = (run: string) => openForUnit({ deps: { scratchDir }, input, ref: { runKey: run } });
const copies = () => readdirSync(scratchDir).length;

it('the units of a run share one copy of a database that is in use', () => {
  const other = new DatabaseSync(databasePath(input.datasetDir));
  other.exec('PRAGMA journal_mode = WAL');
  try {
    const [first, second] = [open('a'), open('a')];
    expect(copies()).toBe(1);
    first.close();
    second.close();
    const third = open('a');
    expect(copies()).toBe(1);
    const count = third.documentCount();
    closeIdleCopies();
    expect(third.documentCount()).toBe(count);
    third.close();
    const another = open('b');
    expect(copies()).toBe(2);
    another.close();
    closeIdleCopies();
    expect(copies()).toBe(0);
  } finally {
    other.close();
  }
});

it('a database that nobody writes is read where it lies', () => {
  open('a').close();
  expect(copies()).toBe(0);
});
