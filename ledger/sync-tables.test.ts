/** What a sync keeps in the ledger: the agreed versions of old ledgers, observations, decisions, conflicts. */
import { copyFileSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { NewConflict } from './conflicts.ts';
import type { Ledger } from './ledger.ts';
import { openLedger } from './open.ts';
import type { NewDecision } from './sync-ledger.ts';

let dir: string;
let path: string;
let ledger: Ledger;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'ledger-sync-'));
  mkdirSync(join(dir, 'courier'));
  path = join(dir, 'courier', 'ledger.sqlite');
});
afterEach(() => {
  ledger.close();
  rmSync(dir, { recursive: true, force: true });
});

const open = (): Ledger => {
  ledger = openLedger(path);
  return ledger;
};

const PLAN = { operation: 'upload', direction: 'up', cloudDatasetId: 'cloud' } as const;

describe('the base', () => {
  it('of a ledger of version 4 knows what both sides agreed on', () => {
    copyFileSync(fileURLToPath(new URL('./fixtures/v4.sqlite', import.meta.url)), path);
    open();
    expect([...ledger.base.versions('document')]).toEqual([
      { id: 'doc-buried', agreed: null, buried: 'dd' },
      { id: 'doc-read', agreed: 'aa' },
    ]);
    expect([...ledger.base.versions('file')]).toEqual([
      { id: 'file-md5', agreed: 'md5:ff' },
      { id: 'file-size', agreed: 'size:9' },
    ]);
  });

  it('does not agree on a document that the cloud gave back as another one', () => {
    const run = open().run('one');
    run.plan.begin(PLAN);
    const document = {
      kind: 'document',
      unit: null,
      state: 'done',
      sizeBytes: 1,
      sha256Hex: 'sent',
    } as const;
    run.items.add([
      { ...document, id: 'same', cloudHash: 'sent', cloudHow: 'read-back' },
      { ...document, id: 'other', cloudHash: 'stored', cloudHow: 'read-back' },
      { ...document, id: 'unread' },
    ]);
    run.plan.seal();
    run.advanceBase();
    expect([...ledger.base.versions('document')]).toEqual([
      { id: 'same', agreed: 'sent' },
      { id: 'unread', agreed: 'sent' },
    ]);
  });

  it('advances by single items', () => {
    const run = open().run('one');
    run.plan.begin(PLAN);
    const document = { kind: 'document', unit: null, state: 'done', sizeBytes: 1, sha256Hex: 'h' } as const;
    run.items.add([
      { ...document, id: 'a' },
      { ...document, id: 'b' },
    ]);
    run.advanceBaseOf('document', ['b']);
    expect([...ledger.base.versions('document')].map(({ id }) => id)).toEqual(['b']);
  });

  it('keeps the digest of a file that a later run only saw in a list', () => {
    open();
    for (const [key, md5Hex] of [
      ['one', 'ff'],
      ['two', null],
    ] as const) {
      const run = ledger.run(key);
      run.plan.begin(PLAN);
      run.items.add([{ kind: 'file', id: 'f', unit: null, state: 'skipped', sizeBytes: 7, md5Hex }]);
      run.plan.seal();
      run.advanceBase();
    }
    expect([...ledger.base.versions('file')]).toEqual([{ id: 'f', agreed: 'md5:ff' }]);
  });

  it('keeps bodies up to its limit, and each in one version', () => {
    const { baseBodies } = open();
    const text = (letter: string): string => `{"${letter}":"${letter.repeat(50)}"}`;
    baseBodies.keep([{ id: 'a', version: '1', text: text('a') }], 1_000);
    baseBodies.keep([{ id: 'a', version: '2', text: text('b') }], 1_000);
    expect(baseBodies.text('a', '1')).toBeUndefined();
    expect(baseBodies.text('a', '2')).toBe(text('b'));
    baseBodies.keep([{ id: 'c', version: '1', text: text('c') }], baseBodies.totals().bytes);
    expect(baseBodies.has('c', '1')).toBe(false);
    expect(baseBodies.totals().count).toBe(1);
  });
});

describe('observations and decisions', () => {
  it('stream in the order of ids, and an attempt that starts anew forgets those before it', () => {
    const { sync } = open().run('one');
    const ids = Array.from({ length: 1_200 }, (_, index) => `id${String(index).padStart(5, '0')}`);
    sync.observe(
      'cloud',
      'document',
      ids.toReversed().map((id) => ({ id, version: null, cloudId: `c-${id}` })),
    );
    expect([...sync.observed('cloud', 'document')].map(({ id }) => id)).toEqual(ids);
    expect(sync.observation('cloud', 'document', 'id00007')).toMatchObject({ cloudId: 'c-id00007' });
    sync.forgetObservations('cloud', 'document');
    expect([...sync.observed('cloud', 'document')]).toEqual([]);
  });

  it('that wait for an approval are left out until it is given', () => {
    const run = open().run('one');
    const { sync } = run;
    const decision = (id: string, isHeld: boolean): NewDecision => ({
      kind: 'document',
      id,
      action: 'delete-cloud',
      reason: 'deleted-here',
      local: null,
      cloud: 'v',
      base: 'v',
      contentKey: null,
      cloudId: 'c',
      name: null,
      isHeld,
    });
    sync.addDecisions([decision('a', false), decision('b', true)]);
    const query = { kind: 'document', actions: ['delete-cloud'], held: false } as const;
    expect([...sync.decisions(query)].map(({ id }) => id)).toEqual(['a']);
    sync.markDecisions('document', ['a'], 'done');
    sync.releaseHeld();
    expect([...sync.decisions({ ...query, states: ['open'] })].map(({ id }) => id)).toEqual(['b']);
    expect(sync.counts()).toContainEqual({
      kind: 'document',
      action: 'delete-cloud',
      reason: 'deleted-here',
      isHeld: false,
      state: 'done',
      count: 1,
    });
  });

  it('of a holder that lost its lease are not written', () => {
    open();
    const request = (runKey: string) => ({ workflowId: runKey, runKey, holder: 'test', ttlMs: 1 });
    const first = ledger.lease.acquire(request('one'));
    const { sync } = ledger.run('one', first.held ? first.fence : 0);
    sync.observe('local', 'document', [{ id: 'a', version: 'v' }]);
    ledger.lease.release('one');
    ledger.lease.acquire(request('two'));
    expect(() => sync.observe('local', 'document', [{ id: 'b', version: 'v' }])).toThrow(
      expect.objectContaining({ code: 'NDI_E_LEASE_LOST' }),
    );
  });
});

describe('a conflict', () => {
  const found: NewConflict = {
    conflict: 'c1',
    kind: 'document',
    id: 'doc',
    what: 'edit-edit',
    className: 'subject',
    name: 'ferret',
    base: 'b',
    local: 'l',
    cloud: 'c',
    cloudId: 'cloud-doc',
    runKey: 'one',
  };

  it('keeps its date and its decision while both sides stand still', () => {
    const { conflicts } = open();
    conflicts.note([found]);
    const { foundAt } = conflicts.get('c1')!;
    expect(conflicts.decide('c1', 'local', 'ana')).toBe(true);
    conflicts.note([{ ...found, runKey: 'two' }]);
    expect(conflicts.get('c1')).toMatchObject({
      foundAt,
      decision: 'local',
      decidedBy: 'ana',
      runKey: 'two',
    });
  });

  it('loses a decision that was made for other versions', () => {
    const { conflicts } = open();
    conflicts.note([found]);
    conflicts.decide('c1', 'local', 'ana');
    conflicts.note([{ ...found, cloud: 'c2' }]);
    expect(conflicts.get('c1')).toMatchObject({ decision: null, cloud: 'c2' });
  });

  it('is over when it is settled, and cannot be decided then', () => {
    const { conflicts } = open();
    conflicts.note([found]);
    conflicts.settle('document', ['doc'], 'two');
    expect(conflicts.openCount()).toBe(0);
    expect(conflicts.decide('c1', 'cloud', 'ana')).toBe(false);
    expect([...conflicts.each('all')]).toMatchObject([{ conflict: 'c1', settledRun: 'two' }]);
  });

  it('that a run does not find any more is over', () => {
    const { conflicts } = open();
    conflicts.note([found, { ...found, conflict: 'c2', id: 'doc2' }]);
    conflicts.settleUnseen('document', (id) => id === 'doc2', 'two');
    expect([...conflicts.each('open')].map(({ id }) => id)).toEqual(['doc2']);
  });
});
