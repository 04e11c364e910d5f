import { expect, it } from 'vitest';
import type { RunProgress } from '../contracts/common.ts';
import { createRateMeter } from './rate.ts';

const progress = (transferred: number, waiting = false): RunProgress =>
  ({ bytes: { total: 10_000, transferred }, waitingFor: waiting ? {} : null }) as RunProgress;

it('counts the time in which units fly, and says nothing before there is something to say', () => {
  const pace = createRateMeter();
  expect(pace.of(progress(0), 5_000)).toEqual({ bytesPerSecond: null, etaMs: null });
  pace.begin(10_000, 0);
  expect(pace.of(progress(100), 10_900)).toEqual({ bytesPerSecond: null, etaMs: null });
  expect(pace.of(progress(2_000), 12_000)).toEqual({ bytesPerSecond: 1_000, etaMs: 8_000 });
  pace.end(12_000, 2_000);
  // A night in between.
  expect(pace.of(progress(2_000), 40_000_000)).toEqual({ bytesPerSecond: 1_000, etaMs: null });
  pace.begin(50_000_000, 2_000);
  expect(pace.of(progress(6_000), 50_002_000)).toEqual({ bytesPerSecond: 1_500, etaMs: 4_000 / 1.5 });
  expect(pace.of(progress(6_000, true), 50_002_000).etaMs).toBeNull();
  expect(pace.of(progress(10_000), 50_002_000).etaMs).toBeNull();
});
