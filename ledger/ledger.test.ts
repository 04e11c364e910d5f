import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Both, openBoth } from './both.test.fixture.ts';
import { RUN_FACTS } from './fact-keys.ts';
import type { LeaseHolder, LeaseRequest } from './lease.ts';
import type { ListingRow, NewPlanItem, NewPlanUnit } from './types.ts';

const RUN = 'upload/d1@site#1';
let dir: string;
let ledger: Both;

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'ledger-'));
  ledger = openBoth(join(dir, 'ledger.sqlite'));
});
afterEach(() => {
  ledger.close();
  rmSync(dir, { recursive: true, force: true });
});

const documentItem = (n: number, unit: number | null, more: Partial<NewPlanItem> = {}): NewPlanItem => ({
  kind: 'document',
  id: `doc${String(n).padStart(4, '0')}`,
  unit,
  state: 'pending',
  sizeBytes: 10 + n,
  ...more,
});
const fileItem = (n: number, unit: number | null, more: Partial<NewPlanItem> = {}): NewPlanItem => ({
  ...documentItem(n, unit),
  kind: 'file',
  id: `file${n}`,
  ...more,
});
const documentUnit = (unit: number, wave: number, itemCount: number): NewPlanUnit => ({
  unit,
  kind: 'documents',
  wave,
  itemCount,
  sizeBytes: 0,
});
const row = (id: string, cloudId: string | null, more: Partial<ListingRow> = {}): ListingRow => ({
  id,
  cloudId,
  sizeBytes: null,
  uploaded: null,
  ...more,
});
const plan = (items: NewPlanItem[], units: NewPlanUnit[] = [], runKey = RUN): void => {
  ledger.beginPlan(runKey, { operation: 'upload', direction: 'up', cloudDatasetId: 'c1' });
  ledger.addItems(runKey, items);
  ledger.addUnits(runKey, units);
  ledger.sealPlan(runKey);
};
const list = (kind: 'document' | 'file', name: string, rows: ListingRow[]) => {
  const listing = ledger.beginListing(RUN, kind, name);
  listing.add(rows);
  return listing.finish();
};
const ids = (items: Iterable<{ readonly id: string }>): string[] => [...items].map((item) => item.id);

describe('the lease', () => {
  const ask = (name: string, more: Partial<LeaseRequest> = {}): LeaseRequest => ({
    workflowId: name,
    runKey: `${name}#1`,
    holder: 'here',
    ttlMs: 60_000,
    ...more,
  });

  it('is held by one run at a time, again and again by the same', () => {
    const { lease } = ledger;
    const first = lease.acquire(ask('upload/a'));
    expect(first.held).toBe(true);
    expect(lease.acquire(ask('upload/a'))).toEqual(first);
    const refused = { held: false, hasRunOut: false, by: { workflowId: 'upload/a', holder: 'here' } };
    expect(lease.acquire(ask('sync/a'))).toMatchObject(refused);
    lease.release('sync/a#1');
    expect(lease.acquire(ask('sync/a'))).toMatchObject(refused);
    lease.release('upload/a#1');
    expect(lease.acquire(ask('sync/a')).held).toBe(true);
  });

  it('goes to the next run of the same workflow id, which runs once at a time', () => {
    ledger.lease.acquire(ask('upload/a'));
    expect(ledger.lease.acquire(ask('upload/a', { runKey: 'upload/a#2' })).held).toBe(true);
    expect(ledger.lease.renew(ask('upload/a'))).toBe(false);
  });

  it('runs out when nobody renews it, and is then taken over once', () => {
    ledger.lease.acquire(ask('upload/a', { ttlMs: -1 }));
    const answer = ledger.lease.acquire(ask('sync/a'));
    if (answer.held) throw new Error('it was held');
    expect(answer.hasRunOut).toBe(true);
    expect(ledger.lease.takeOver(ask('sync/a'), answer.by).held).toBe(true);
    expect(ledger.lease.takeOver(ask('drop/a'), answer.by)).toMatchObject({
      held: false,
      by: { workflowId: 'sync/a' },
    });
    expect(ledger.lease.renew(ask('upload/a'))).toBe(false);
    expect(ledger.lease.renew(ask('sync/a'))).toBe(true);
  });

  it('keeps its fence for a run that takes it again before anybody else', () => {
    const first = ledger.lease.acquire(ask('upload/a'));
    ledger.lease.release('upload/a#1');
    expect(ledger.lease.acquire(ask('upload/a'))).toEqual(first);
    ledger.lease.release('upload/a#1');
    ledger.lease.acquire(ask('sync/a'));
    ledger.lease.release('sync/a#1');
    expect(ledger.lease.acquire(ask('upload/a'))).not.toEqual(first);
  });

  it('is shared by a child with its parent, who keeps it when the child ends', () => {
    const parent = ledger.lease.acquire(ask('drop/a'));
    const child = ask('upload/a', { parentWorkflowId: 'drop/a' });
    expect(ledger.lease.acquire(child)).toEqual(parent);
    expect(ledger.lease.renew(child)).toBe(true);
    ledger.lease.release(child.runKey);
    expect(ledger.lease.holder()?.workflowId).toBe('drop/a');
  });

  it('lets a run that has lost it write nothing more', () => {
    const first = ledger.lease.acquire(ask('upload/a', { ttlMs: -1 }));
    if (!first.held) throw new Error('nobody else has it');
    const run = ledger.run('upload/a#1', first.fence);
    run.plan.begin({ operation: 'upload', direction: 'up', cloudDatasetId: 'c1' });
    run.items.add([documentItem(1, 0)]);
    const { by } = ledger.lease.acquire(ask('sync/a')) as { by: LeaseHolder };
    ledger.lease.takeOver(ask('sync/a'), by);
    const lost = expect.objectContaining({ code: 'NDI_E_LEASE_LOST' });
    const fact = RUN_FACTS.adopted;
    const writes: (() => unknown)[] = [
      () => run.plan.begin({ operation: 'upload', direction: 'up', cloudDatasetId: 'c1' }),
      () => run.plan.seal(),
      () => run.plan.reopen(),
      () => run.items.add([documentItem(2, 0)]),
      () => run.items.mark('document', ['doc0001'], { state: 'sent' }),
      () => run.items.takeBack('document', ['doc0001']),
      () => run.units.add([]),
      () => run.units.mark(0, { state: 'sent' }),
      () => run.listings.begin('document', 'x'),
      () => run.listings.settle('document', 'x'),
      () => run.problems.add({ kind: 'dataset', id: 'd', code: 'c', detail: '' }),
      () => run.differences.add('document', 'onlyInCloud', [{ id: 'd' }]),
      () => run.facts.set(fact, true),
      () => run.noteCloud('document', []),
      () => run.advanceBase(),
    ];
    for (const write of writes) expect(write).toThrow(lost);
    expect(run.items.get('document', 'doc0001')?.state).toBe('pending');
    // Another run that opens the same ledger is not fenced by it.
    expect(() => ledger.run('sync/a#1').facts.set(fact, true)).not.toThrow();
  });
});

describe('plan', () => {
  it('goes from absent over building to sealed, and is then closed', () => {
    expect(ledger.planState(RUN)).toBe('absent');
    ledger.beginPlan(RUN, { operation: 'upload', direction: 'up', cloudDatasetId: 'c1' });
    expect(ledger.planState(RUN)).toBe('building');
    ledger.addItems(RUN, [documentItem(1, 0)]);
    ledger.sealPlan(RUN);
    ledger.sealPlan(RUN);
    expect(ledger.planState(RUN)).toBe('sealed');
    expect(() => ledger.addItems(RUN, [documentItem(2, 0)])).toThrow(/Another try builds/);
    expect(() =>
      ledger.beginPlan(RUN, { operation: 'upload', direction: 'up', cloudDatasetId: 'c1' }),
    ).toThrow(/sealed/);
  });

  it('starts afresh when a try that was building died', () => {
    ledger.beginPlan(RUN, { operation: 'upload', direction: 'up', cloudDatasetId: 'c1' });
    ledger.addItems(RUN, [documentItem(1, 0), documentItem(2, 0)]);
    plan([documentItem(3, 0)]);
    expect(ids(ledger.items(RUN, { kind: 'document' }))).toEqual(['doc0003']);
  });

  it('takes nothing from a try in another process that was given up', () => {
    const other = openBoth(ledger.path);
    try {
      other.beginPlan(RUN, { operation: 'upload', direction: 'up', cloudDatasetId: 'c1' });
      ledger.beginPlan(RUN, { operation: 'upload', direction: 'up', cloudDatasetId: 'c1' });
      expect(() => other.addItems(RUN, [documentItem(1, 0)])).toThrow(
        expect.objectContaining({ code: 'NDI_E_LEDGER_BUSY' }),
      );
      expect(() => other.sealPlan(RUN)).toThrow(expect.objectContaining({ class: 'retryable' }));
      ledger.addItems(RUN, [documentItem(1, 0)]);
      ledger.sealPlan(RUN);
      expect(other.planTotals(RUN).documents.total).toBe(1);
    } finally {
      other.close();
    }
  });

  it('adds all items of a call or none', () => {
    ledger.beginPlan(RUN, { operation: 'upload', direction: 'up', cloudDatasetId: 'c1' });
    expect(() => ledger.addItems(RUN, [documentItem(1, 0), documentItem(1, 0)])).toThrow(
      expect.objectContaining({ code: 'NDI_E_INTERNAL' }),
    );
    expect(ledger.planTotals(RUN).documents.total).toBe(0);
    ledger.addItems(RUN, [documentItem(1, 0)]);
    expect(ledger.planTotals(RUN).documents.total).toBe(1);
  });

  it('keeps every field of an item and the order of adding', () => {
    const full = fileItem(9, 3, {
      action: 'replace',
      sha256Hex: 'aa',
      md5Hex: 'bb',
      textHash: 'tt',
      mtimeMs: 1.5,
      inode: '18446744073709551615',
      cloudId: 'cc',
      cloudHash: 'ch',
      cloudMd5Hex: 'cm',
      cloudHow: 'read-back',
      expectedHash: 'eh',
      documentId: 'dd',
      name: 'n.bin',
      path: '.ndi/files/x',
    });
    plan([documentItem(5, 0), documentItem(1, 0), full]);
    expect(ids(ledger.unitItems(RUN, 0))).toEqual(['doc0005', 'doc0001']);
    expect(ledger.item(RUN, 'file', 'file9')).toEqual({ ...full, errorCode: null, errorDetail: null });
    expect(ledger.item(RUN, 'file', 'none')).toBeUndefined();
  });

  it('counts items and bytes by state', () => {
    plan(
      [documentItem(0, 0), documentItem(1, 0), documentItem(2, null, { state: 'skipped' }), fileItem(3, 1)],
      [documentUnit(0, 0, 2)],
    );
    ledger.markItems(RUN, 'document', ['doc0001'], { state: 'sent' });
    expect(ledger.planTotals(RUN)).toEqual({
      documents: {
        total: 3,
        pending: 1,
        sending: 0,
        sent: 1,
        done: 0,
        skipped: 1,
        failed: 0,
        bytesTotal: 33,
        bytesToMove: 21,
        bytesDone: 11,
      },
      files: {
        total: 1,
        pending: 1,
        sending: 0,
        sent: 0,
        done: 0,
        skipped: 0,
        failed: 0,
        bytesTotal: 13,
        bytesToMove: 13,
        bytesDone: 0,
      },
      units: 1,
    });
  });

  it('what is done does not change by the word of a try that was given up', () => {
    plan([fileItem(0, 0)]);
    ledger.markItems(RUN, 'file', ['file0'], { state: 'done', sizeBytes: 7 });
    for (const state of ['sending', 'sent', 'pending', 'failed'] as const) {
      ledger.markItems(RUN, 'file', ['file0'], { state, errorCode: 'NDI_E_NOT_FOUND' });
      expect(ledger.item(RUN, 'file', 'file0')).toMatchObject({ state: 'done', errorCode: null });
    }
    ledger.takeBack(RUN, 'file', ['file0']);
    expect(ledger.item(RUN, 'file', 'file0')?.state).toBe('pending');
  });

  it('makes several verbs one: all or nothing', () => {
    plan([fileItem(0, 0), fileItem(1, 0)]);
    const failure = new Error('in between');
    expect(() =>
      ledger.together(() => {
        ledger.markItems(RUN, 'file', ['file0'], { state: 'done' });
        throw failure;
      }),
    ).toThrow(failure);
    expect(ledger.item(RUN, 'file', 'file0')?.state).toBe('pending');
    const marked = ledger.together(() => {
      ledger.markItems(RUN, 'file', ['file0'], { state: 'done', sizeBytes: 7 });
      ledger.markItems(RUN, 'file', ['file1'], { state: 'done', sizeBytes: 8 });
      return 2;
    });
    expect(marked).toBe(2);
    expect(ledger.planTotals(RUN).files).toMatchObject({ done: 2, bytesDone: 15 });
  });

  it('hands out open units by wave, and none that is done', () => {
    plan(
      [documentItem(0, 0), documentItem(1, 1), documentItem(2, 2)],
      [documentUnit(0, 1, 1), documentUnit(1, 0, 1), documentUnit(2, 0, 1)],
    );
    ledger.markUnit(RUN, 1, { state: 'done' });
    const open = ledger.openUnits(RUN, { kinds: ['documents'], limit: 10 });
    expect(open.map((unit) => [unit.unit, unit.wave])).toEqual([
      [2, 0],
      [0, 1],
    ]);
    expect(ledger.openUnits(RUN, { kinds: ['documents'], limit: 1 })).toHaveLength(1);
    expect(ledger.openUnits(RUN, { kinds: ['file'], limit: 10 })).toEqual([]);
  });

  it('takes more into a sealed plan and keeps what is there', () => {
    plan([documentItem(0, 0)], [documentUnit(0, 0, 1)]);
    ledger.markItems(RUN, 'document', ['doc0000'], { state: 'done' });
    expect(() => ledger.addItems(RUN, [fileItem(7, 5)])).toThrow();
    ledger.reopenPlan(RUN);
    expect(ledger.planState(RUN)).toBe('building');
    ledger.addUnits(RUN, [{ unit: 5, kind: 'files', wave: 0, itemCount: 1, sizeBytes: 13 }]);
    ledger.addItems(RUN, [fileItem(7, 5)]);
    ledger.sealPlan(RUN);
    expect(ledger.planTotals(RUN).files.total).toBe(1);
    expect(ledger.planTotals(RUN).documents.done).toBe(1);
    expect(ledger.item(RUN, 'file', 'file7')?.unit).toBe(5);
  });

  it('keeps the last five other runs, and says of the rest that they are absent', () => {
    for (let n = 0; n < 8; n += 1) {
      plan([documentItem(n, 0)], [documentUnit(0, 0, 1)], `run${n}`);
      ledger.setFact(`run${n}`, 'k', 'v');
    }
    const states = Array.from({ length: 8 }, (_, n) => ledger.planState(`run${n}`));
    expect(states).toEqual(['absent', 'absent', ...Array(6).fill('sealed')]);
    expect(ledger.fact('run1', 'k')).toBeUndefined();
    expect(ledger.fact('run2', 'k')).toBe('v');
  });
});

describe('items', () => {
  it('stream while the caller writes, in the states asked for', () => {
    plan(Array.from({ length: 1700 }, (_, n) => documentItem(n, 0)));
    let seen = 0;
    for (const item of ledger.items(RUN, { kind: 'document', states: ['pending'] })) {
      ledger.markItems(RUN, 'document', [item.id], { state: 'sending' });
      seen += 1;
    }
    expect(seen).toBe(1700);
    expect([...ledger.items(RUN, { kind: 'document', states: ['pending'] })]).toEqual([]);
    expect([...ledger.items(RUN, { kind: 'document', states: ['sending'] })]).toHaveLength(1700);
    expect([...ledger.items(RUN, { kind: 'file' })]).toEqual([]);
  });

  it('keep what they learnt, and lose their error with their failure', () => {
    plan([fileItem(1, 0)]);
    ledger.markItems(RUN, 'file', ['file1'], { state: 'sent', cloudId: 'c', md5Hex: 'm', sizeBytes: 5 });
    ledger.markItems(RUN, 'file', ['file1'], { state: 'sent', md5Hex: '', sha256Hex: '' });
    expect(ledger.item(RUN, 'file', 'file1')).toMatchObject({ md5Hex: 'm', sha256Hex: null });
    ledger.markItems(RUN, 'file', ['file1'], {
      state: 'failed',
      errorCode: 'NDI_E_FILE_MISSING',
      errorDetail: 'x',
    });
    expect(ledger.item(RUN, 'file', 'file1')).toMatchObject({
      errorCode: 'NDI_E_FILE_MISSING',
      cloudId: 'c',
    });
    ledger.markItems(RUN, 'file', ['file1'], { state: 'done' });
    expect(ledger.item(RUN, 'file', 'file1')).toMatchObject({
      state: 'done',
      errorCode: null,
      cloudId: 'c',
      md5Hex: 'm',
      sizeBytes: 5,
    });
  });

  it('and units that are done do not go back by the word of a late try', () => {
    plan([documentItem(1, 0)], [documentUnit(0, 0, 1)]);
    ledger.markItems(RUN, 'document', ['doc0001'], { state: 'done' });
    ledger.markUnit(RUN, 0, { state: 'done', jobId: 'j' });
    ledger.markItems(RUN, 'document', ['doc0001'], { state: 'sending' });
    ledger.markUnit(RUN, 0, { state: 'sent' });
    expect(ledger.item(RUN, 'document', 'doc0001')?.state).toBe('done');
    expect(ledger.unit(RUN, 0)).toMatchObject({ state: 'done', jobId: 'j' });
  });
});

describe('units', () => {
  it('page by number and kind', () => {
    plan([], [documentUnit(2, 1, 1), documentUnit(0, 0, 1), { ...documentUnit(1, 0, 1), kind: 'file-zip' }]);
    const kinds = ['documents'] as const;
    expect(ledger.units(RUN, { kinds, limit: 10 }).map((unit) => unit.unit)).toEqual([0, 2]);
    expect(ledger.units(RUN, { kinds, after: 0, limit: 10 }).map((unit) => unit.unit)).toEqual([2]);
    expect(
      ledger.units(RUN, { kinds: ['documents', 'file-zip'], limit: 2 }).map((unit) => unit.unit),
    ).toEqual([0, 1]);
    expect(() => ledger.unit(RUN, 7)).toThrow(/no unit 7/);
  });

  it('take a job id and give it up', () => {
    plan([], [documentUnit(0, 0, 1)]);
    ledger.markUnit(RUN, 0, { jobId: 'j1' });
    expect(ledger.unit(RUN, 0)).toMatchObject({ state: 'pending', jobId: 'j1' });
    ledger.markUnit(RUN, 0, { state: 'sending' });
    expect(ledger.unit(RUN, 0)).toMatchObject({ state: 'sending', jobId: 'j1' });
    ledger.markUnit(RUN, 0, { jobId: null });
    expect(ledger.unit(RUN, 0).jobId).toBeNull();
  });

  it('are planned again from what is left over, within count, bytes and wave', () => {
    plan(
      [
        documentItem(1, 0, { state: 'sent' }),
        documentItem(2, 0, { state: 'done' }),
        documentItem(3, 0, { state: 'sent' }),
        documentItem(4, 1, { state: 'sending' }),
        documentItem(5, 1, { state: 'failed' }),
        documentItem(6, null, { state: 'sent' }),
      ],
      [documentUnit(0, 0, 3), documentUnit(1, 1, 2)],
    );
    const made = ledger.replan(RUN, {
      kind: 'document',
      states: ['sent', 'sending'],
      unitKind: 'documents',
      maxItems: 10,
      maxBytes: 1000,
    });
    expect(made.map(({ unit, wave, itemCount, sizeBytes }) => [unit, wave, itemCount, sizeBytes])).toEqual([
      [2, 0, 2, 24],
      [3, 1, 1, 14],
      [4, 2, 1, 16],
    ]);
    expect(ids(ledger.unitItems(RUN, 2))).toEqual(['doc0001', 'doc0003']);
    expect(ledger.unit(RUN, 0)).toMatchObject({ itemCount: 1, sizeBytes: 12, state: 'pending' });
    expect(ledger.item(RUN, 'document', 'doc0006')).toMatchObject({ unit: 4, state: 'pending' });
    expect(ledger.units(RUN, { kinds: ['documents'], after: 1, limit: 9 })).toEqual(made);
  });

  it('that lost all their items are done and count no more', () => {
    plan([fileItem(1, 0), fileItem(2, 0), fileItem(3, 0)], [{ ...documentUnit(0, 0, 3), kind: 'file-zip' }]);
    const made = ledger.replan(RUN, {
      kind: 'file',
      states: ['pending'],
      unitKind: 'files',
      maxItems: 2,
      maxBytes: 1e9,
    });
    expect(made.map((unit) => unit.itemCount)).toEqual([2, 1]);
    expect(ledger.unit(RUN, 0)).toMatchObject({ state: 'done', itemCount: 0 });
    expect(ledger.planTotals(RUN).units).toBe(2);
  });
});

describe('problems', () => {
  it('are the failed items and what was named, each once', () => {
    plan([fileItem(1, 0), fileItem(2, 0)]);
    ledger.markItems(RUN, 'file', ['file1', 'file2'], {
      state: 'failed',
      errorCode: 'NDI_E_FILE_MISSING',
      errorDetail: 'gone',
    });
    const known = { kind: 'file', id: 'file1', code: 'NDI_E_FILE_MISSING', detail: 'named' } as const;
    ledger.addProblem(RUN, known);
    ledger.addProblem(RUN, { ...known, detail: 'named again' });
    ledger.addProblem(RUN, { kind: 'dataset', id: 'd', code: 'NDI_E_LOCKED', detail: '' });
    expect(ledger.problemCount(RUN)).toBe(3);
    expect(ledger.problems(RUN, 10).map((problem) => [problem.id, problem.detail])).toEqual([
      ['file1', 'named again'],
      ['d', ''],
      ['file2', 'gone'],
    ]);
    expect(ledger.problems(RUN, 1)).toHaveLength(1);
    expect(ledger.problems('other', 10)).toEqual([]);
    expect(ledger.problemCount('other')).toBe(0);
  });
});

describe('facts', () => {
  it('are there before the plan is, and are replaced', () => {
    expect(ledger.fact(RUN, 'mark')).toBeUndefined();
    ledger.setFact(RUN, 'mark', 'a');
    ledger.setFact(RUN, 'mark', 'b');
    plan([]);
    expect(ledger.fact(RUN, 'mark')).toBe('b');
    expect(ledger.fact('other', 'mark')).toBeUndefined();
  });

  it('of the dataset outlive runs, until they are forgotten', () => {
    ledger.setDatasetFact('link', 'a');
    ledger.setDatasetFact('link', 'b');
    for (let n = 0; n < 8; n += 1) plan([], [], `run ${n}`);
    expect(ledger.datasetFact('link')).toBe('b');
    ledger.setDatasetFact('link', null);
    expect(ledger.datasetFact('link')).toBeUndefined();
  });
});

describe('listings', () => {
  it('have one digest for one set of rows, whatever their order and repetition', () => {
    const rows = [row('b', '2'), row('a', '1'), row('a', '3', { uploaded: true, sizeBytes: 5 })];
    const first = list('document', 'one', rows);
    const second = list('document', 'two', [...rows].reverse().concat(rows[0] as ListingRow));
    expect(first).toEqual({ rows: 3, distinctIds: 2, digest: expect.stringMatching(/^[0-9a-f]{64}$/) });
    expect(second).toEqual(first);
    expect(list('document', 'three', rows.slice(1)).digest).not.toBe(first.digest);
    expect(list('document', 'four', [row('b', '2', { uploaded: false }), ...rows.slice(1)]).digest).not.toBe(
      first.digest,
    );
  });

  it('are read only when finished; the earlier one until then', () => {
    list('file', 'all', [row('a', null)]);
    const next = ledger.beginListing(RUN, 'file', 'all');
    next.add([row('b', null)]);
    expect(ids(ledger.listing(RUN, 'file', 'all'))).toEqual(['a']);
    next.finish();
    expect(ids(ledger.listing(RUN, 'file', 'all'))).toEqual(['b']);
    expect(() => ledger.listed(RUN, 'file', 'other', 'a')).toThrow(/no finished listing/);
    ledger.beginListing(RUN, 'file', 'half').add([row('a', null)]);
    expect(() => [...ledger.listing(RUN, 'file', 'half')]).toThrow(/no finished listing/);
  });

  it('of a try that was given up are refused', () => {
    const zombie = ledger.beginListing(RUN, 'file', 'all');
    const heir = ledger.beginListing(RUN, 'file', 'all');
    expect(() => zombie.add([row('a', null)])).toThrow(expect.objectContaining({ class: 'retryable' }));
    heir.finish();
    expect(() => heir.add([row('a', null)])).toThrow(expect.objectContaining({ class: 'retryable' }));
  });

  it('answer what is there once and what twice', () => {
    list('document', 'all', [row('a', '9'), row('b', '5'), row('a', '10'), row('c', '6'), row('c', '7')]);
    expect(ledger.listed(RUN, 'document', 'all', 'a')).toEqual(row('a', '10'));
    expect(ledger.listed(RUN, 'document', 'all', 'z')).toBeUndefined();
    expect([...ledger.listedTwice(RUN, 'document', 'all')]).toEqual([
      { id: 'a', cloudIds: ['10', '9'] },
      { id: 'c', cloudIds: ['6', '7'] },
    ]);
  });

  it('stream beyond one slice', () => {
    const rows = Array.from({ length: 1201 }, (_, n) =>
      row(`id${String(n % 601).padStart(4, '0')}`, `c${n}`),
    );
    list('document', 'all', rows);
    expect([...ledger.listing(RUN, 'document', 'all')]).toHaveLength(1201);
    expect([...ledger.listedTwice(RUN, 'document', 'all')]).toHaveLength(600);
  });
});

describe('settling by a listing', () => {
  it('takes a listed document as done, with the smallest cloud id', () => {
    plan([
      documentItem(1, 0, { state: 'sent' }),
      documentItem(2, 0, { state: 'sending' }),
      documentItem(3, 0),
      documentItem(4, 0, { state: 'sent' }),
      documentItem(5, 0, { state: 'failed', errorCode: 'NDI_E_BAD_JSON' }),
      documentItem(6, null, { state: 'skipped' }),
    ]);
    const there = ['doc0001', 'doc0002', 'doc0003', 'doc0005', 'doc0006', 'foreign'];
    list('document', 'after', [row('doc0001', '77'), ...there.map((id) => row(id, `9${id}`))]);
    expect(ledger.settleByListing(RUN, 'document', 'after')).toEqual({ open: 1, done: 3 });
    expect(ledger.item(RUN, 'document', 'doc0001')).toMatchObject({ state: 'done', cloudId: '77' });
    expect(ledger.item(RUN, 'document', 'doc0005')?.state).toBe('failed');
    expect(ledger.item(RUN, 'document', 'doc0006')?.state).toBe('skipped');
    expect(ledger.settleByListing(RUN, 'document', 'after')).toEqual({ open: 1, done: 3 });
  });

  it('takes a listed file as done when it is uploaded and of the planned size, where the row says so', () => {
    plan([1, 2, 3, 4, 5].map((n) => fileItem(n, 0, { state: 'sent', sizeBytes: 100 })));
    list('file', 'after', [
      row('file1', null, { uploaded: true, sizeBytes: 100 }),
      row('file2', null),
      row('file3', null, { uploaded: false, sizeBytes: 100 }),
      row('file4', null, { uploaded: true, sizeBytes: 99 }),
      row('file4', 'second', { uploaded: false, sizeBytes: 100 }),
    ]);
    expect(ledger.settleByListing(RUN, 'file', 'after')).toEqual({ open: 3, done: 2 });
    expect(ids(ledger.items(RUN, { kind: 'file', states: ['done'] }))).toEqual(['file1', 'file2']);
  });
});

describe('what earlier uploads sent', () => {
  it('is in doubt until it is listed or forgotten, for the same cloud dataset alone', () => {
    plan([documentItem(1, 0, { state: 'sent' }), documentItem(2, 0, { state: 'sending' })], [], 'first');
    plan([documentItem(1, 0, { state: 'sent' }), documentItem(3, 0, { state: 'done' })], [], 'second');
    ledger.beginPlan(RUN, { operation: 'upload', direction: 'up', cloudDatasetId: 'c1' });
    list('document', 'before', []);
    expect(ledger.unsettledElsewhere(RUN, 'before')).toBe(2);
    list('document', 'before', [row('doc0001', 'a')]);
    expect(ledger.unsettledElsewhere(RUN, 'before')).toBe(1);
    ledger.forgetUnsettledElsewhere(RUN);
    expect(ledger.unsettledElsewhere(RUN, 'before')).toBe(0);
    expect(ledger.item('second', 'document', 'doc0003')?.state).toBe('done');
    plan([documentItem(4, 0, { state: 'sent' })], [], 'third');
    ledger.beginPlan(RUN, { operation: 'upload', direction: 'up', cloudDatasetId: 'another' });
    list('document', 'before', []);
    expect(ledger.unsettledElsewhere(RUN, 'before')).toBe(0);
  });
});

describe('parts', () => {
  it('of a download are kept until cleared, and start over with a new object', () => {
    const parts = ledger.parts('uid');
    expect(parts.load()).toBeUndefined();
    parts.begin({ sizeBytes: 100, etag: undefined, partSizeBytes: 10 });
    parts.markDone(3);
    parts.markDone(1);
    parts.markDone(3);
    expect(ledger.parts('uid').load()).toEqual({
      sizeBytes: 100,
      etag: undefined,
      partSizeBytes: 10,
      done: [1, 3],
    });
    expect(ledger.parts('other').load()).toBeUndefined();
    parts.begin({ sizeBytes: 200, etag: 'e', partSizeBytes: 10 });
    expect(parts.load()).toEqual({ sizeBytes: 200, etag: 'e', partSizeBytes: 10, done: [] });
    parts.clear();
    parts.markDone(1);
    expect(parts.load()).toBeUndefined();
  });
});

describe('base', () => {
  it('advances by what is done or skipped, and keeps what it learnt before', () => {
    plan([
      documentItem(1, 0, { state: 'done', sha256Hex: 'h1', cloudId: 'c1' }),
      documentItem(2, 0, { state: 'failed' }),
      fileItem(3, null, { state: 'skipped', sha256Hex: 'h3' }),
    ]);
    expect(ledger.advanceBase(RUN)).toBe(2);
    plan([documentItem(1, null, { state: 'skipped', cloudId: 'c9', sizeBytes: 5 })], [], 'later');
    expect(ledger.advanceBase('later')).toBe(1);
    expect(ledger.base('document', 'doc0001')).toMatchObject({
      cloudId: 'c9',
      local: { hash: 'h1', sizeBytes: 5, how: 'read' },
      cloud: { hash: null, sizeBytes: 5, how: 'listed' },
    });
    expect(ledger.base('document', 'doc0002')).toBeUndefined();
    expect(ids(ledger.baseItems('file'))).toEqual(['file3']);
    expect([ledger.baseCount('document'), ledger.baseCount('file')]).toEqual([1, 1]);
  });

  it('keeps what was read back as long as the local side is the one that it was compared with', () => {
    const readBack = { cloudHash: 'h1', cloudHow: 'read-back' } as const;
    plan([
      documentItem(1, 0, { state: 'done', sha256Hex: 'h1', cloudId: 'c1', textHash: 't1', ...readBack }),
    ]);
    ledger.advanceBase(RUN);
    plan([documentItem(1, null, { state: 'skipped', cloudId: 'c1' })], [], 'same');
    ledger.advanceBase('same');
    const proven = { hash: 'h1', how: 'read-back' };
    expect(ledger.base('document', 'doc0001')).toMatchObject({ local: { textHash: 't1' }, cloud: proven });
    plan([documentItem(1, 0, { state: 'done', sha256Hex: 'h2', cloudId: 'c1' })], [], 'only listed');
    ledger.advanceBase('only listed');
    expect(ledger.base('document', 'doc0001')).toMatchObject({
      local: { hash: 'h2' },
      cloud: { how: 'listed' },
    });
  });

  it('notes what the cloud has without saying that both sides agree', () => {
    plan([documentItem(1, 0, { state: 'done', sha256Hex: 'h1', cloudId: 'c1' })]);
    ledger.advanceBase(RUN);
    ledger.noteCloud(RUN, 'document', [
      { id: 'doc0001', cloudId: 'c1', hash: 'h2' },
      { id: 'doc0009', cloudId: 'c9', hash: 'h9' },
    ]);
    expect(ledger.base('document', 'doc0001')).toMatchObject({
      local: { hash: 'h1', how: 'read' },
      cloud: { hash: 'h2', how: 'read-back' },
    });
    expect(ledger.base('document', 'doc0009')).toMatchObject({ local: { how: null }, cloud: { hash: 'h9' } });
  });

  it('buries what a side has deleted until it is dug up again', () => {
    const tombstone = {
      kind: 'document',
      id: 'doc0001',
      side: 'cloud',
      lastHash: 'h',
      at: '2026',
      runKey: RUN,
    } as const;
    ledger.bury([tombstone, { ...tombstone, side: 'local' }]);
    ledger.bury([{ ...tombstone, lastHash: 'h2' }]);
    expect([...ledger.tombstones('document')]).toEqual([
      { ...tombstone, lastHash: 'h2' },
      { ...tombstone, side: 'local' },
    ]);
    ledger.unbury('document', ['doc0001']);
    expect([...ledger.tombstones('document')]).toEqual([]);
  });

  it('of another cloud dataset is forgotten: it says nothing about this one', () => {
    plan([documentItem(1, null, { state: 'done' }), documentItem(2, null, { state: 'done' })]);
    ledger.advanceBase(RUN);
    ledger.beginPlan('as new', { operation: 'upload', direction: 'up', cloudDatasetId: 'another' });
    ledger.addItems('as new', [
      documentItem(1, null, { state: 'done' }),
      documentItem(2, null, { state: 'failed' }),
    ]);
    ledger.sealPlan('as new');
    ledger.advanceBase('as new');
    expect(ids(ledger.baseItems('document'))).toEqual(['doc0001']);
  });
});

describe('audit', () => {
  it('tells the newest first', () => {
    ledger.audit(RUN, 'created', { cloudId: 'c' });
    ledger.audit('later', 'deleted', {});
    expect(ledger.auditTrail({ limit: 1 })).toEqual([
      { at: expect.stringMatching(/^\d{4}-.*Z$/), runKey: 'later', action: 'deleted', detail: {} },
    ]);
    expect(ledger.auditTrail({ limit: 9 }).map((entry) => entry.detail)).toEqual([{}, { cloudId: 'c' }]);
  });
});
