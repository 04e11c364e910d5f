import { describe, expect, it } from 'vitest';
import type { Progress } from '../progress.ts';
import {
  bar,
  formatBytes,
  formatCount,
  formatCounts,
  formatDuration,
  fraction,
  printable,
  shorten,
} from './format.ts';
import { liveLines, plainLine, resultLines } from './progress-lines.ts';
import { facts, table } from './table.ts';
import { createView } from './watch.ts';

const NOW = Date.parse('2026-01-01T00:02:05.000Z');

const progress = (change: Partial<Progress> = {}): Progress => ({
  workflowId: 'upload/a@b',
  runId: 'r',
  status: 'running',
  operation: 'upload',
  phase: 'files',
  waitingFor: null,
  paused: false,
  site: 'b',
  profile: null,
  ndiDatasetId: 'a',
  cloudDatasetId: null,
  counts: {
    documents: { total: 1_002, transferred: 812, skipped: 190, failed: 0 },
    files: { total: 40, transferred: 10, skipped: 0, failed: 1 },
  },
  bytes: { total: 200_000_000, transferred: 50_000_000 },
  bytesPerSecond: 12_500_000,
  etaMs: 12_000,
  units: { total: 10, done: 3, inFlight: 2 },
  retries: 0,
  window: 4,
  startedAt: '2026-01-01T00:00:00.000Z',
  problemCount: 0,
  inFlight: [],
  lastFailure: null,
  source: 'workflow',
  ...change,
});

describe('numbers for people', () => {
  it('shows bytes with three digits at most', () => {
    expect([0, 999, 1_000, 12_345, 999_499, 999_600, 1.5e9, 3e15].map(formatBytes)).toEqual([
      '0 B',
      '999 B',
      '1.00 kB',
      '12.3 kB',
      '999 kB',
      '1.00 MB',
      '1.50 GB',
      '3.00 PB',
    ]);
  });

  it('shows durations in two units at most', () => {
    expect([0, 59_400, 60_000, 125_000, 3_600_000, 3_660_000, 3 * 86_400_000].map(formatDuration)).toEqual([
      '0 s',
      '59 s',
      '1 min',
      '2 min 5 s',
      '1 h',
      '1 h 1 min',
      '3 days',
    ]);
  });

  it('groups digits', () => {
    expect(formatCount(1_234_567)).toBe('1\u202f234\u202f567');
    expect(formatCount(999)).toBe('999');
  });

  it('says what was there already and what failed', () => {
    expect(formatCounts({ total: 5, transferred: 2, skipped: 2, failed: 1 })).toBe(
      '2 of 5, 2 there already, 1 failed',
    );
    expect(formatCounts({ total: 0, transferred: 0, skipped: 0, failed: 0 })).toBe('none');
  });

  it('draws bars of one width whatever the share', () => {
    for (const share of [-1, 0, 0.01, 0.5, 0.999, 1, 2]) expect(bar(share, 10)).toHaveLength(10);
    expect(bar(0.55, 10)).toBe('█████▌░░░░');
    expect(bar(0.5, 10, false)).toBe('#####-----');
    expect(fraction({ total: 0, transferred: 5 })).toBe(0);
  });

  it('shortens in the middle', () => {
    expect(shorten('abcdefghij', 5)).toBe('ab…ij');
    expect(shorten('abc', 5)).toBe('abc');
  });

  it('takes escape sequences out of foreign text', () => {
    expect(printable('a\u001b[31mred\u0007\nb')).toBe('a [31mred b');
  });
});

describe('a run as text', () => {
  it('shows phase, bytes, rate, time left, documents and files', () => {
    const text = liveLines(progress(), { columns: 100, nowMs: NOW }).join('\n');
    expect(text).toContain('Sending files  (2 min 5 s)');
    expect(text).toContain(' 25 %  50.0 MB of 200 MB  12.5 MB/s, 12 s left');
    expect(text).toContain('documents  812 of 1\u202f002, 190 there already');
    expect(text).toContain('files      10 of 40, 1 failed');
  });

  it('says what it waits for, since when, and what helps', () => {
    const waitingFor = {
      kind: 'login',
      code: 'NDI_E_LOGIN_EXPIRED',
      sentence: 'The login expired.',
      nextStep: 'Run `ndi-courier login`.',
      since: '2026-01-01T00:01:05.000Z',
    } as const;
    const lines = liveLines(progress({ waitingFor }), { columns: 100, nowMs: NOW });
    expect(lines).toContain('Waiting: The login expired. (for 1 min)');
    expect(lines).toContain('  → Run `ndi-courier login`.');
    expect(plainLine(progress({ waitingFor }))).toContain('The login expired. Run `ndi-courier login`.');
  });

  it('lists units in flight, with tries and the wait for the next one', () => {
    const flight = {
      unit: 7,
      what: 'zip of 12 files',
      bytes: 1_000_000,
      ofBytes: 2_000_000,
      attempt: 1,
      state: 'working',
      nextTryAt: null,
      lastFailure: null,
    } as const;
    const text = liveLines(
      progress({
        inFlight: [
          flight,
          { ...flight, unit: 8, attempt: 3, state: 'backing-off', nextTryAt: '2026-01-01T00:02:10.000Z' },
          { ...flight, unit: null, what: 'verifyUpload', ofBytes: 0, state: 'queued' },
        ],
      }),
      { columns: 100, nowMs: NOW },
    ).join('\n');
    expect(text).toContain('  zip of 12 files  1.00 MB of 2.00 MB');
    expect(text).toContain('try 3  again in 5 s');
    expect(text).not.toMatch(/verifyUpload|unit 7/);
  });

  it('stays within the terminal', () => {
    const long = 'x'.repeat(500);
    const flight = { unit: 1, what: long, bytes: 0, ofBytes: 0, attempt: 1, state: 'working' } as const;
    const inFlight = Array.from({ length: 20 }, () => ({ ...flight, nextTryAt: null, lastFailure: null }));
    const lines = liveLines(progress({ inFlight }), { columns: 60, nowMs: NOW });
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThan(60);
    expect(lines.at(-1)).toContain('14 more in flight');
  });

  it('admits when nobody answers', () => {
    const text = liveLines(progress({ source: 'records' }), { columns: 100, nowMs: NOW }).join('\n');
    expect(text).toContain('No worker answers');
  });

  it('names what was left over', () => {
    const counts = { total: 1, transferred: 1, skipped: 0, failed: 0 };
    const lines = resultLines({
      operation: 'upload',
      status: 'done-with-leftovers',
      datasetId: 'c'.repeat(24),
      ndiDatasetId: 'a',
      directory: '/d',
      documents: counts,
      files: { total: 15, transferred: 3, skipped: 0, failed: 12 },
      bytes: 5,
      retries: 2,
      duplicatesRemoved: 0,
      problemCount: 12,
      problems: Array.from({ length: 12 }, (_, index) => ({
        kind: 'file' as const,
        id: `uid${index}`,
        code: 'NDI_E_FILE_MISSING',
        detail: 'gone',
      })),
      reportPath: '/r',
    });
    expect(lines[0]).toContain('12 items could not be taken along');
    expect(lines).toContain('retries    2');
    expect(lines).toContain('  file uid0: gone (NDI_E_FILE_MISSING)');
    expect(lines.at(-1)).toBe('  and 2 more in the report');
  });
});

describe('the view without a terminal', () => {
  const screen = () => {
    const lines: string[] = [];
    return { lines, write: (text: string) => lines.push(text) };
  };

  it('prints on change, at most every five seconds', () => {
    let now = 0;
    const out = screen();
    const view = createView(out, () => now);
    view.show(progress());
    now = 4_000;
    view.show(progress({ bytes: { total: 200_000_000, transferred: 60_000_000 } }));
    expect(out.lines).toHaveLength(1);
    now = 5_000;
    view.show(progress({ bytes: { total: 200_000_000, transferred: 60_000_000 } }));
    expect(out.lines).toHaveLength(2);
    now = 20_000;
    view.show(progress({ bytes: { total: 200_000_000, transferred: 60_000_000 } }));
    expect(out.lines).toHaveLength(2);
  });

  it('says at once when the run starts to wait, and shows the last picture at the end', () => {
    const out = screen();
    const view = createView(out, () => 0);
    view.show(progress());
    const waitingFor = { kind: 'login', code: 'A', sentence: 'S.', nextStep: 'N.', since: '' } as const;
    view.show(progress({ waitingFor }));
    expect(out.lines).toHaveLength(2);
    view.show(progress({ waitingFor, retries: 3 }));
    view.stop(true);
    expect(out.lines.at(-1)).toContain('3 retries');
    view.stop(true);
    expect(out.lines).toHaveLength(3);
  });
});

describe('tables', () => {
  it('align columns', () => {
    expect(
      table(
        ['A', 'B'],
        [
          ['long', 'x'],
          ['s', 'y'],
        ],
      ),
    ).toBe('A     B\nlong  x\ns     y');
    expect(
      facts([
        ['a', '1'],
        ['gone', undefined],
        ['bcd', '2'],
      ]),
    ).toBe('a    1\nbcd  2');
  });
});

describe('the percentage', () => {
  it('never falls, whatever bytes and totals follow each other', () => {
    let seed = 7;
    const random = (): number => {
      seed = (seed * 48_271) % 2_147_483_647;
      return seed / 2_147_483_647;
    };
    const written: string[] = [];
    let nowMs = NOW;
    const view = createView({ write: (text) => written.push(text) }, () => nowMs);
    for (let look = 0; look < 500; look += 1) {
      nowMs += 6_000;
      const total = 1 + Math.floor(random() * 1e6);
      view.show(progress({ bytes: { total, transferred: Math.floor(random() * random() * total) } }));
    }
    const shown = written.map((line) => Number(/(\d+) %/.exec(line)?.[1]));
    expect(shown.length).toBeGreaterThan(100);
    expect(shown).toEqual([...shown].sort((a, b) => a - b));
  });
});
