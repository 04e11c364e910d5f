import { describe, expect, it } from 'vitest';
import type { FailureInfo, HeartbeatInfo, RunProgress } from '../workflows/contracts/index.ts';
import { createRate, mergeProgress, type PendingStep, type RunRecord } from './progress.ts';

const failure = (code: string): FailureInfo => ({
  code,
  class: 'retryable',
  sentence: `${code}.`,
  nextStep: '',
});

const step = (change: Partial<PendingStep> = {}): PendingStep => ({
  activityType: 'sendUnit',
  state: 'started',
  attempt: 1,
  heartbeat: null,
  lastFailure: null,
  nextTryAt: null,
  ...change,
});

const record = (change: Partial<RunRecord> = {}): RunRecord => ({
  workflowId: 'upload/a@b',
  runId: 'r1',
  operation: 'upload',
  status: 'running',
  startedAt: '2026-01-01T00:00:00.000Z',
  site: 'b',
  profile: null,
  datasetId: null,
  ndiDatasetId: 'a',
  phase: 'files',
  waitingFor: 'nothing',
  queue: 'courier',
  pending: [],
  ...change,
});

const answer = (change: Partial<RunProgress> = {}): RunProgress => ({
  bytesPerSecond: null,
  etaMs: null,
  operation: 'upload',
  phase: 'files',
  waitingFor: null,
  paused: false,
  site: 'b',
  profile: null,
  ndiDatasetId: 'a',
  cloudDatasetId: null,
  counts: {
    documents: { total: 10, transferred: 0, skipped: 0, failed: 0 },
    files: { total: 2, transferred: 0, skipped: 0, failed: 0 },
  },
  bytes: { total: 1_000, transferred: 100 },
  units: { total: 3, done: 1, inFlight: 1 },
  retries: 1,
  window: 4,
  startedAt: '2026-01-01T00:00:00.000Z',
  problemCount: 0,
  ...change,
});

const beat = (bytes: number) => ({ unit: 2, what: 'files', bytes, ofBytes: 400 });

describe('the merged view of a run', () => {
  it('adds the bytes of units in flight to those that are done', () => {
    const pending = [step({ heartbeat: beat(150) }), step({ heartbeat: beat(50) })];
    expect(mergeProgress(record({ pending }), answer(), undefined).bytes).toEqual({
      total: 1_000,
      transferred: 300,
    });
  });

  it('never shows more bytes than there are, nor fewer than are done', () => {
    const much = [step({ heartbeat: beat(5_000) })];
    expect(mergeProgress(record({ pending: much }), answer(), undefined).bytes.transferred).toBe(1_000);
    const over = answer({ bytes: { total: 1_000, transferred: 1_200 } });
    expect(mergeProgress(record({ pending: much }), over, undefined).bytes.transferred).toBe(1_200);
  });

  it('does not take bytes that are only looked at for bytes that moved', () => {
    const pending = [step({ heartbeat: { ...beat(300), unit: null } })];
    expect(mergeProgress(record({ pending }), answer(), undefined).bytes.transferred).toBe(100);
  });

  it('does not count the bytes of a try that has failed', () => {
    const pending = [
      step({ state: 'scheduled', attempt: 3, heartbeat: beat(300), lastFailure: failure('NDI_E_NETWORK') }),
    ];
    const view = mergeProgress(record({ pending }), answer(), undefined);
    expect(view.bytes.transferred).toBe(100);
    expect(view.inFlight[0]).toMatchObject({ state: 'backing-off', attempt: 3 });
  });

  it('counts the tries that the server knows of before the workflow does, and names the worst failure', () => {
    const pending = [
      step({ attempt: 2, lastFailure: failure('NDI_E_NETWORK') }),
      step({ attempt: 5, lastFailure: failure('NDI_E_STALLED') }),
      step(),
    ];
    const view = mergeProgress(record({ pending }), answer(), undefined);
    expect(view.retries).toBe(1 + 1 + 4);
    expect(view.lastFailure?.code).toBe('NDI_E_STALLED');
  });

  it('tells a step that no worker took from one that is being tried again', () => {
    const pending = [step({ state: 'scheduled' })];
    expect(mergeProgress(record({ pending }), answer(), undefined).inFlight[0]?.state).toBe('queued');
  });

  it('falls back to the record when no worker answers, and says so', () => {
    const view = mergeProgress(record({ phase: 'documents', waitingFor: 'login' }), undefined, undefined);
    expect(view).toMatchObject({ source: 'records', phase: 'documents', operation: 'upload' });
    expect(view.waitingFor).toMatchObject({ kind: 'login', nextStep: expect.stringContaining('login') });
  });

  it('keeps showing the last answer while the worker is away', () => {
    const view = mergeProgress(record(), undefined, answer({ units: { total: 3, done: 2, inFlight: 1 } }));
    expect(view.units.done).toBe(2);
    expect(view.source).toBe('records');
  });

  it('believes the server about the end', () => {
    const waitingFor = { kind: 'login', code: 'X', sentence: '', nextStep: '', since: '' } as const;
    const view = mergeProgress(record({ status: 'cancelled' }), undefined, answer({ waitingFor }));
    expect(view).toMatchObject({ phase: 'cancelled', waitingFor: null, status: 'cancelled' });
    expect(mergeProgress(record({ status: 'done' }), answer(), undefined).phase).toBe('done');
  });
});

describe('the rate', () => {
  const at = (transferred: number, change: Partial<RunProgress> = {}) =>
    mergeProgress(record(), answer({ bytes: { total: 1_000, transferred }, ...change }), undefined);

  it('needs a second before it says anything', () => {
    const rate = createRate();
    expect(rate(at(0), 0).bytesPerSecond).toBeNull();
    expect(rate(at(50), 500).bytesPerSecond).toBeNull();
    expect(rate(at(100), 1_000)).toMatchObject({ bytesPerSecond: 100, etaMs: 9_000 });
  });

  it('forgets what lies more than fifteen seconds back', () => {
    const rate = createRate();
    rate(at(0), 0);
    for (let second = 1; second <= 40; second += 1) rate(at(0), second * 1_000);
    const view = rate(at(150), 41_000);
    expect(view.bytesPerSecond).toBeCloseTo(10, 0);
  });

  it('is never negative, and has no time left to tell when nothing moves', () => {
    const rate = createRate();
    rate(at(500), 0);
    expect(rate(at(300), 2_000)).toMatchObject({ bytesPerSecond: 0, etaMs: null });
  });

  it('makes no promise while the run waits', () => {
    const rate = createRate();
    rate(at(0), 0);
    const waitingFor = { kind: 'site', code: 'X', sentence: '', nextStep: '', since: '' } as const;
    expect(rate(at(500, { waitingFor }), 2_000).etaMs).toBeNull();
  });
});

describe('a step that failed before', () => {
  const now = (heartbeat: HeartbeatInfo) =>
    mergeProgress(
      record({ pending: [step({ attempt: 2, heartbeat, lastFailure: failure('NDI_E_NETWORK') })] }),
      answer(),
      undefined,
    ).lastFailure?.code;

  it('shows its failure until its present attempt moves', () => {
    expect(now(beat(5))).toBe('NDI_E_NETWORK');
    expect(now({ ...beat(5), attempt: 1, trouble: null })).toBe('NDI_E_NETWORK');
    expect(now({ ...beat(0), attempt: 2 })).toBe('NDI_E_NETWORK');
    expect(now({ ...beat(5), attempt: 2 })).toBeUndefined();
    expect(now({ ...beat(0), attempt: 2, trouble: null })).toBeUndefined();
    expect(now({ ...beat(5), attempt: 2, trouble: failure('NDI_E_RATE_LIMITED') })).toBe(
      'NDI_E_RATE_LIMITED',
    );
  });
});
