/** What a sync takes from this side can be had again: from the trash, and from the restore point of its run. */
import { existsSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { restoreDirOf } from '../../activities/sync/restore-point.ts';
import { createCourier } from '../../client/index.ts';
import { openTrash } from '../../ledger/trash.ts';
import { connectCloud } from '../../ndi/auth/index.ts';
import { filesDir, uidPath } from '../../ndi/dataset/layout.ts';
import { openDataset } from '../../ndi/dataset/read.ts';
import { restore } from '../../ndi/dataset/restore.ts';
import { listRestorePoints } from '../../ndi/dataset/restore-points.ts';
import { canonicalHash } from '../../ndi/document/canonical.ts';
import { parseDocument } from '../../ndi/document/codec.ts';
import { describeDocument } from '../../ndi/document/describe.ts';
import type { DocumentFacts, JsonObject } from '../../ndi/document/types.ts';
import { makeDataset } from '../../ndi/synthetic/dataset.ts';
import { createLab, type Lab } from '../support/lab.ts';

let lab: Lab;
beforeAll(async () => {
  lab = await createLab();
});
afterAll(() => lab.close());

interface Epoch {
  readonly document: JsonObject;
  readonly facts: DocumentFacts;
  readonly uid: string;
  /** Python's name of the binary. */
  readonly second: string;
}

function epochOf(dir: string): Epoch {
  const reader = openDataset(dir);
  try {
    for (const { text } of reader.documents()) {
      const document = parseDocument(text);
      const facts = describeDocument(document);
      const [file] = facts.files;
      const uid = file?.locations[0]?.uid;
      if (file !== undefined && uid !== undefined && existsSync(uidPath(dir, uid)))
        return { document, facts, uid, second: `${facts.id}_${file.name}` };
    }
  } finally {
    reader.close();
  }
  throw new Error('no document with a binary');
}

const documentIn = (dir: string, id: string): string | undefined => {
  const reader = openDataset(dir);
  try {
    return reader.document(id)?.text;
  } finally {
    reader.close();
  }
};

/** A dataset on both sides, of which the cloud has lost a document with a binary. */
async function withDeletionThere(name: string): Promise<{ dir: string; epoch: Epoch }> {
  const dir = join(lab.dir, name);
  await makeDataset(dir, { documents: 40, files: 3, fileBytes: 2_000, seed: 5 });
  const uploaded = await lab.upload(dir, { target: { kind: 'as-new', name } });
  await lab.sync(dir);
  const epoch = epochOf(dir);
  const { client } = connectCloud({ env: lab.env, homeDir: lab.homeDir });
  const { rows } = await client.documents.list(uploaded.datasetId, { page: 1, pageSize: 500 });
  const row = rows.find(({ ndiId }) => ndiId === epoch.facts.id);
  await client.documents.delete(uploaded.datasetId, row?.id ?? '', '7d');
  await client.close();
  return { dir, epoch };
}

describe('a document that a sync deletes here', () => {
  it('comes back from the trash with its binary, also one that had only the name Python gives it', async () => {
    const { dir, epoch } = await withDeletionThere('trash');
    const { facts, uid, second } = epoch;
    const bytes = readFileSync(uidPath(dir, uid));
    rmSync(join(filesDir(dir), second), { force: true });
    renameSync(uidPath(dir, uid), join(filesDir(dir), second));
    const others = readdirSync(filesDir(dir)).filter((name) => name !== second);
    expect(await lab.sync(dir, { deletes: true })).toMatchObject({ documents: { deletedLocal: 1 } });
    expect(documentIn(dir, facts.id)).toBeUndefined();
    expect(readdirSync(filesDir(dir)).sort()).toEqual(others.sort());

    const [entry] = [...openTrash(join(dir, '.ndi', 'courier', 'ledger.sqlite')).entries()];
    const courier = createCourier({
      env: { ...lab.env, COURIER_HOME: lab.homeDir },
      temporal: { address: inject('temporalAddress'), namespace: inject('temporalNamespace') },
      log: () => {},
    });
    try {
      const back = await courier.inbox.restore(dir, entry?.name ?? '');
      expect(back).toMatchObject({ ndiId: facts.id, side: 'local', outcome: 'done' });
    } finally {
      await courier.close();
    }
    expect(canonicalHash(parseDocument(documentIn(dir, facts.id) ?? '{}'))).toBe(
      canonicalHash(epoch.document),
    );
    for (const name of [uid, second])
      expect(readFileSync(join(filesDir(dir), name)).equals(bytes), name).toBe(true);
  });

  it('comes back from the restore point of its run', async () => {
    const { dir, epoch } = await withDeletionThere('point');
    const before = documentIn(dir, epoch.facts.id);
    await lab.sync(dir, { deletes: true });
    const points = restoreDirOf(join(dir, '.ndi', 'courier', 'ledger.sqlite'));
    const [newest] = listRestorePoints(points);
    const restored = await restore(dir, points, newest?.runKey ?? '', { onLeaving: () => undefined });
    expect(restored).toMatchObject({ back: [epoch.facts.id], replaced: [], removed: [] });
    expect(documentIn(dir, epoch.facts.id)).toBe(before);
  });
});
