/**
 * Imports that were lost for a while: the documents of that time go one by one, those after it in zips again.
 */
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makeDataset } from '../../ndi/synthetic/dataset.ts';
import type { TransferResult } from '../../workflows/contracts/index.ts';
import { expectUploadedOnce } from '../support/crash.ts';
import { createLab, type Lab, TEST_TUNING } from '../support/lab.ts';

const ADD = 'POST /datasets/:d/documents';

let lab: Lab;
beforeAll(async () => {
  lab = await createLab();
});
afterAll(() => lab?.close());

describe('imports of ZIP archives', () => {
  it('an import that works again is used again', async () => {
    const source = join(lab.dir, 'source');
    await makeDataset(source, { documents: 300, files: 4, fileBytes: 1_000, seed: 12 });
    const { faults } = lab.sandbox;
    const id = faults.set({ route: 'IMPORT documents', kind: 'import-lost' });
    const tuning = { ...TEST_TUNING, documentsPerUnit: 10, importQuietMs: 700 };
    const target = { kind: 'linked-or-new', name: 'Lost for a while' } as const;
    const handle = await lab.startUpload(lab.uploadInput(source, { tuning, target }));
    const added = (): number => faults.requests().routes[ADD]?.count ?? 0;
    while (added() === 0) await sleep(10);
    faults.clear(id);
    const result: TransferResult = await handle.result();
    await expectUploadedOnce(lab, result, target.name);
    expect(added()).toBeGreaterThan(0);
    // As many as are sent before anybody looks.
    expect(added()).toBeLessThanOrEqual(150);
  });
});
