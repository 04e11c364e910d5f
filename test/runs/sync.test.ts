/** Syncs of real datasets with a real cloud, by a real worker: what each side did reaches the other. */
import { cpSync, existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { openLedger } from '../../ledger/open.ts';
import { openTrash } from '../../ledger/trash.ts';
import { databasePath, filesDir, uidPath } from '../../ndi/dataset/layout.ts';
import { openDataset } from '../../ndi/dataset/read.ts';
import { canonicalHash } from '../../ndi/document/canonical.ts';
import { parseDocument } from '../../ndi/document/codec.ts';
import { asArray, asObject, describeDocument } from '../../ndi/document/describe.ts';
import type { JsonObject } from '../../ndi/document/types.ts';
import { newNdiId } from '../../ndi/ids.ts';
import { makeDataset } from '../../ndi/synthetic/dataset.ts';
import { approvalSignal } from '../../workflows/contracts/index.ts';
import { createLab, type Lab } from '../support/lab.ts';
import {
  type CloudSide,
  cloudSide,
  copyOf,
  documentsHere,
  hashesOf,
  ledgerOf,
  nameOf,
  ofClass,
  renamed,
  writeHere,
} from '../support/sync-sides.ts';

let lab: Lab;
let source: string;
let dir: string;
let cloudId: string;
let cloud: CloudSide;
let made = 0;

beforeAll(async () => {
  lab = await createLab();
  source = join(lab.dir, 'source');
  await makeDataset(source, { documents: 45, files: 6, fileBytes: 2_000, seed: 11 });
  cloud = cloudSide(lab, () => cloudId);
});
afterAll(async () => {
  await cloud.client.close();
  await lab.close();
});
beforeEach(async () => {
  made += 1;
  dir = join(lab.dir, `dataset-${made}`);
  cpSync(source, dir, { recursive: true });
  const uploaded = await lab.upload(dir, { target: { kind: 'as-new', name: `Sync ${made}` } });
  cloudId = uploaded.datasetId;
  await lab.sync(dir);
});

const local = () => documentsHere(dir);
const there = () => cloud.documents();
const subjects = () => ofClass(local(), 'subject');

const expectEqualSides = async (): Promise<void> => {
  expect(hashesOf(await there())).toEqual(hashesOf(local()));
  expect(await cloud.rowCount()).toBe(local().size);
};

describe('a two-way sync', () => {
  it('of two equal sides does nothing, and says so', async () => {
    const result = await lab.sync(dir);
    const nothing = { uploaded: 0, downloaded: 0, updatedLocal: 0, updatedCloud: 0, conflicts: 0, failed: 0 };
    expect(result).toMatchObject({ status: 'done', documents: nothing, files: nothing, baseLost: null });
    expect(result.documents.unchanged).toBeGreaterThan(40);
    expect(result.files.unchanged).toBe(6);
  });

  it('passes adds and edits of each side on to the other', async () => {
    const [[, a], [, b]] = subjects() as [[string, JsonObject], [string, JsonObject]];
    writeHere(dir, [renamed(a, 'edited here'), copyOf(a, 'new here')]);
    await cloud.write(renamed(b, 'edited there'));
    await cloud.write(copyOf(b, 'new there'));
    const result = await lab.sync(dir);
    expect(result).toMatchObject({
      status: 'done',
      documents: { uploaded: 1, downloaded: 1, updatedLocal: 1, updatedCloud: 1, conflicts: 0, failed: 0 },
    });
    await expectEqualSides();
    expect([...local().values()].map((document) => describeDocument(document).name)).toEqual(
      expect.arrayContaining(['edited here', 'new here', 'edited there', 'new there']),
    );
    expect(await lab.sync(dir)).toMatchObject({ status: 'done', bytes: 0 });
  });
});

describe('a deletion', () => {
  it('of a side is listed and not passed on, and does not come back, unless --deletes is given', async () => {
    const [[a], [b, bDocument]] = subjects() as [[string, JsonObject], [string, JsonObject]];
    writeHere(dir, [], [a]);
    await cloud.remove(b);
    const listed = await lab.sync(dir);
    expect(listed).toMatchObject({ status: 'done', listed: { deletedHere: 1, deletedThere: 1, other: 0 } });
    expect(local().has(a)).toBe(false);
    expect((await there()).has(b)).toBe(false);

    const passed = await lab.sync(dir, { deletes: true });
    expect(passed).toMatchObject({ status: 'done', documents: { deletedLocal: 1, deletedCloud: 1 } });
    expect(local().has(b)).toBe(false);
    expect((await there()).has(a)).toBe(false);
    await expectEqualSides();
    const trash = [...openTrash(ledgerOf(dir)).entries()];
    expect(trash.map(({ ndiId, side }) => [ndiId, side]).sort()).toEqual(
      [
        [a, 'cloud'],
        [b, 'local'],
      ].sort(),
    );
    const kept = trash.find(({ ndiId }) => ndiId === b)!;
    expect(canonicalHash(parseDocument(kept.body))).toBe(canonicalHash(bDocument));

    // Another client that brings it back, as it was, has not changed anything.
    await cloud.write(bDocument);
    expect(await lab.sync(dir, { deletes: true })).toMatchObject({ status: 'done', listed: { other: 1 } });
    expect(local().has(b)).toBe(false);
  });

  it('of more than the cap waits for an approval, while everything else is done', async () => {
    const [[, edited]] = subjects() as [[string, JsonObject]];
    const epochs = [...local()].filter(
      ([, document]) => describeDocument(document).className === 'element_epoch',
    );
    writeHere(
      dir,
      [renamed(edited, 'edited here')],
      epochs.slice(0, 2).map(([id]) => id),
    );
    const options = { deletes: true, maxDelete: { documents: 1 } } as const;
    const run = await lab.startSync(lab.syncInput(dir, options));
    const waiting = await lab.until(run, ({ waitingFor }) => waitingFor !== null);
    expect(waiting).toMatchObject({
      phase: 'approval',
      waitingFor: { kind: 'person', code: 'NDI_E_NEEDS_APPROVAL' },
    });
    const names = [...(await there()).values()].map(nameOf);
    expect(names).toContain('edited here');
    await run.signal(approvalSignal, { approved: false, by: 'ana' });
    expect(await run.result()).toMatchObject({
      status: 'done-with-leftovers',
      notApproved: 2,
      documents: { deletedCloud: 0, updatedCloud: 1 },
    });

    const again = await lab.startSync(lab.syncInput(dir, options));
    await lab.until(again, ({ waitingFor }) => waitingFor !== null);
    await again.signal(approvalSignal, { approved: true, by: 'ana' });
    expect(await again.result()).toMatchObject({ status: 'done', documents: { deletedCloud: 2 } });
    await expectEqualSides();
  });
});

describe('a document that both sides edited', () => {
  const editBoth = async (): Promise<{ id: string; base: JsonObject }> => {
    const [[id, base]] = subjects() as [[string, JsonObject]];
    writeHere(dir, [renamed(base, 'mine')]);
    await cloud.write(renamed(base, 'theirs'));
    return { id, base };
  };
  const nameHere = (id: string): string => nameOf(local().get(id));
  const nameThere = async (id: string): Promise<string> => nameOf((await there()).get(id));

  it('waits in the inbox, stays as it is on both sides, and holds nothing else up', async () => {
    const { id } = await editBoth();
    writeHere(dir, [copyOf(local().get(id)!, 'another')]);
    for (const uploaded of [1, 0]) {
      const result = await lab.sync(dir);
      expect(result).toMatchObject({ status: 'done-with-leftovers', documents: { uploaded, conflicts: 1 } });
    }
    expect([nameHere(id), await nameThere(id)]).toEqual(['mine', 'theirs']);
    const ledger = openLedger(ledgerOf(dir));
    expect([...ledger.conflicts.each('open')]).toMatchObject([
      { id, what: 'edit-edit', className: 'subject' },
    ]);
    ledger.close();
  });

  it.each([
    ['local', 'mine'],
    ['cloud', 'theirs'],
  ] as const)('is settled by the policy %s', async (policy, winner) => {
    const { id } = await editBoth();
    const result = await lab.sync(dir, { conflicts: { default: policy, byClass: {} } });
    expect(result).toMatchObject({ status: 'done', documents: { conflicts: 0 } });
    expect([nameHere(id), await nameThere(id)]).toEqual([winner, winner]);
    expect(await lab.sync(dir)).toMatchObject({ status: 'done', bytes: 0 });
  });

  it('is kept twice by keep-both: the cloud’s under its id, the other under a new one, on both sides', async () => {
    const { id } = await editBoth();
    const result = await lab.sync(dir, { conflicts: { default: 'ask', byClass: { subject: 'keep-both' } } });
    expect(result).toMatchObject({
      status: 'done',
      documents: { uploaded: 1, updatedLocal: 1, conflicts: 0 },
    });
    expect([nameHere(id), await nameThere(id)]).toEqual(['theirs', 'theirs']);
    const copies = [...local().values()].filter((one) =>
      /^mine \(conflict .* vs cloud\)$/.test(describeDocument(one).name),
    );
    expect(copies).toHaveLength(1);
    await expectEqualSides();
    expect(await lab.sync(dir)).toMatchObject({ status: 'done', bytes: 0 });
  });

  it('is merged field by field by merge, and asks where both changed one field', async () => {
    const [[id, base], [other, otherBase]] = subjects() as [[string, JsonObject], [string, JsonObject]];
    const described = { ...asObject(base.subject), description: 'described there' };
    writeHere(dir, [renamed(base, 'mine'), renamed(otherBase, 'mine')]);
    await cloud.write({ ...base, subject: described });
    await cloud.write(renamed(otherBase, 'theirs'));
    const result = await lab.sync(dir, { conflicts: { default: 'merge', byClass: {} } });
    expect(result).toMatchObject({
      status: 'done-with-leftovers',
      documents: { updatedLocal: 1, updatedCloud: 1, conflicts: 1 },
    });
    const merged = local().get(id)!;
    expect(describeDocument(merged).name).toBe('mine');
    expect(asObject(merged.subject).description).toBe('described there');
    expect(canonicalHash((await there()).get(id)!)).toBe(canonicalHash(merged));
    expect([nameHere(other), await nameThere(other)]).toEqual(['mine', 'theirs']);
  });

  it('is settled by a decision of the inbox, in a run that does nothing else', async () => {
    const { id } = await editBoth();
    await lab.sync(dir);
    writeHere(dir, [copyOf(local().get(id)!, 'not now')]);
    const ledger = openLedger(ledgerOf(dir));
    const [conflict] = [...ledger.conflicts.each('open')];
    expect(ledger.conflicts.decide(conflict!.conflict, 'local', 'ana')).toBe(true);
    const result = await lab.sync(dir, { only: 'decided' });
    expect(result).toMatchObject({ documents: { updatedCloud: 1, uploaded: 0, conflicts: 0 } });
    expect([nameHere(id), await nameThere(id)]).toEqual(['mine', 'mine']);
    expect([...ledger.conflicts.each('open')]).toEqual([]);
    ledger.close();
  });

  it('and that one side then deletes keeps the edit', async () => {
    const [[a, aDocument], [b, bDocument]] = subjects() as [[string, JsonObject], [string, JsonObject]];
    writeHere(dir, [renamed(aDocument, 'mine')], [b]);
    await cloud.remove(a);
    await cloud.write(renamed(bDocument, 'theirs'));
    const result = await lab.sync(dir, { deletes: true });
    expect(result).toMatchObject({ documents: { conflicts: 2, deletedLocal: 0, deletedCloud: 0 } });
    expect(nameHere(a)).toBe('mine');
    expect(await nameThere(b)).toBe('theirs');
    await lab.sync(dir, { conflicts: { default: 'keep-both', byClass: {} } });
    await expectEqualSides();
    expect([nameHere(a), nameHere(b)]).toEqual(['mine', 'theirs']);
  });
});

describe('a base that is not of these two sides', () => {
  it('is not trusted when the database was restored from a backup: nothing is deleted', async () => {
    const database = databasePath(dir);
    const backup = `${database}.backup`;
    cpSync(database, backup);
    const [[, a]] = subjects() as [[string, JsonObject]];
    writeHere(dir, [copyOf(a, 'after the backup')]);
    await lab.sync(dir);
    // Written into the same file, as a person who restores with a copy does.
    writeFileSync(database, readFileSync(backup));
    const result = await lab.sync(dir, { deletes: true });
    expect(result.baseLost).toMatch(/older/);
    expect(result).toMatchObject({ status: 'done', documents: { downloaded: 1, deletedCloud: 0 } });
    await expectEqualSides();
  });

  it('is not trusted when the ledger is gone: union, no deletes', async () => {
    const [[a], [, b]] = subjects() as [[string, JsonObject], [string, JsonObject]];
    writeHere(dir, [renamed(b, 'mine')], [a]);
    rmSync(join(dir, '.ndi', 'courier'), { recursive: true });
    const result = await lab.sync(dir, { deletes: true });
    expect(result).toMatchObject({ documents: { downloaded: 1, deletedCloud: 0, conflicts: 1 } });
    expect(result.baseLost).not.toBeNull();
    expect(local().has(a)).toBe(true);
  });
});

describe('the mode', () => {
  const change = async () => {
    const [[a, aDocument], [b, bDocument]] = subjects() as [[string, JsonObject], [string, JsonObject]];
    const [c] = [...local()].find(
      ([, document]) => describeDocument(document).className === 'element_epoch',
    )!;
    writeHere(dir, [renamed(aDocument, 'edited here'), copyOf(aDocument, 'new here')], [c]);
    await cloud.write(renamed(bDocument, 'edited there'));
    await cloud.write(copyOf(bDocument, 'new there'));
    return { a, b, c };
  };

  it('download-new brings what is new in the cloud and changes nothing else', async () => {
    await change();
    const result = await lab.sync(dir, { mode: 'download-new', content: 'quick' });
    expect(result).toMatchObject({
      status: 'done',
      documents: { downloaded: 1, uploaded: 0, updatedLocal: 0, updatedCloud: 0, deletedLocal: 0 },
    });
    expect(await lab.sync(dir, { mode: 'download-new', content: 'quick' })).toMatchObject({ bytes: 0 });
  });

  it('upload-new sends what is new here and changes nothing else', async () => {
    await change();
    const result = await lab.sync(dir, { mode: 'upload-new', content: 'quick' });
    expect(result).toMatchObject({
      status: 'done',
      documents: { uploaded: 1, downloaded: 0, updatedLocal: 0, updatedCloud: 0, deletedCloud: 0 },
    });
  });

  it.each(['mirror-from-cloud', 'mirror-to-cloud'] as const)(
    '%s makes one side as the other',
    async (mode) => {
      await change();
      const before = hashesOf(mode === 'mirror-to-cloud' ? local() : await there());
      const result = await lab.sync(dir, { mode });
      expect(result).toMatchObject({ status: 'done', documents: { conflicts: 0, failed: 0 } });
      await expectEqualSides();
      expect(hashesOf(local())).toEqual(before);
      const reader = openDataset(dir);
      expect(reader.identity.remotes).toHaveLength(1);
      reader.close();
    },
  );
});

describe('files', () => {
  const fileDocument = (): [string, JsonObject] =>
    [...local()].find(([, document]) => describeDocument(document).files.length > 0)!;

  it('that are added to an old document go up, and those that are missing here come down', async () => {
    // A copy of the source would find its binaries there.
    dir = join(lab.dir, `downloaded-${made}`);
    await lab.download(cloudId, dir);
    await lab.sync(dir);
    const uid = newNdiId();
    writeFileSync(uidPath(dir, uid), 'more bytes');
    const [id, document] = fileDocument();
    const [first] = describeDocument(document).files;
    const info = asArray(asObject(document.files).file_info);
    const added = {
      name: 'more.bin',
      locations: [{ ...asObject(asArray(asObject(info[0]).locations)[0]), uid, location: uidPath(dir, uid) }],
    };
    writeHere(dir, [{ ...document, files: { ...asObject(document.files), file_info: [...info, added] } }]);
    const result = await lab.sync(dir);
    expect(result).toMatchObject({ status: 'done', documents: { updatedCloud: 1 }, files: { uploaded: 1 } });

    const lost = first!.locations[0]!.uid;
    const bytes = readFileSync(uidPath(dir, lost));
    for (const name of readdirSync(filesDir(dir)))
      if (name === lost || (name.startsWith(id) && !name.endsWith('more.bin')))
        rmSync(join(filesDir(dir), name));
    expect(await lab.sync(dir)).toMatchObject({ status: 'done', files: { downloaded: 1 } });
    expect(readFileSync(uidPath(dir, lost))).toEqual(bytes);
    expect(readFileSync(uidPath(dir, uid), 'utf8')).toBe('more bytes');
  });

  it('of a hybrid dataset stay in the cloud, unless --files is given', async () => {
    const target = join(lab.dir, `hybrid-${made}`);
    await lab.download(cloudId, target, { mode: 'hybrid' });
    const [, document] = fileDocument();
    await cloud.write(copyOf(document, 'new there'));
    dir = target;
    expect(await lab.sync(target)).toMatchObject({ documents: { downloaded: 1 }, files: { downloaded: 0 } });
    expect(existsSync(filesDir(target)) ? readdirSync(filesDir(target)) : []).toEqual([]);
    expect(await lab.sync(target, { files: 'all' })).toMatchObject({ files: { downloaded: 6 } });
  });
});

describe('a dry run', () => {
  it('writes a plan and nothing else', async () => {
    const [[, a], [b]] = subjects() as [[string, JsonObject], [string, JsonObject]];
    writeHere(dir, [renamed(a, 'edited here')], [b]);
    const before = [hashesOf(local()), hashesOf(await there())];
    const result = await lab.diff(dir, { deletes: true });
    expect(result).toMatchObject({ status: 'planned', documents: { updatedCloud: 1, deletedCloud: 1 } });
    const planned = JSON.parse(readFileSync(result.planPath, 'utf8')) as { items: { action: string }[] };
    expect(planned.items.map(({ action }) => action).sort()).toEqual(['delete-cloud', 'update-cloud']);
    expect([hashesOf(local()), hashesOf(await there())]).toEqual(before);
    expect(await lab.sync(dir, { deletes: true })).toMatchObject({
      status: 'done',
      documents: { updatedCloud: 1, deletedCloud: 1 },
    });
  });

  it('gives a plan that is carried out as it is, once, and not after an item has moved', async () => {
    const [[a, document]] = subjects() as [[string, JsonObject]];
    writeHere(dir, [renamed(document, 'edited here')]);
    const { planPath } = await lab.diff(dir);
    writeHere(dir, [copyOf(document, 'after the plan')]);
    expect(await lab.sync(dir, { planPath })).toMatchObject({
      status: 'done',
      documents: { updatedCloud: 1, uploaded: 0 },
    });
    await expect(lab.sync(dir, { planPath })).rejects.toMatchObject({ type: 'NDI_E_PLAN_MOVED' });

    writeHere(dir, [renamed(document, 'edited again')]);
    const second = (await lab.diff(dir)).planPath;
    writeHere(dir, [renamed(document, 'and once more')]);
    await expect(lab.sync(dir, { planPath: second })).rejects.toMatchObject({ type: 'NDI_E_PLAN_MOVED' });
    expect(nameOf((await there()).get(a))).toBe('edited here');

    writeFileSync(second, readFileSync(second, 'utf8').replace('update-cloud', 'delete-cloud'));
    await expect(lab.sync(dir, { planPath: second })).rejects.toMatchObject({ type: 'NDI_E_PLAN_FILE' });
  });
});
