import { describe, expect, it } from 'vitest';
import { otherRunIntervalMs, personIntervalMs, roomIntervalMs, siteTimeoutMs } from './intervals.ts';

const first = (count: number, interval: (n: number) => number): number[] =>
  Array.from({ length: count }, (_, n) => interval(n));

describe('the interval between two looks of a parked run', () => {
  it('doubles from half a minute to an hour while a person is needed', () => {
    expect(first(9, personIntervalMs)).toEqual(
      [30, 60, 120, 240, 480, 960, 1_920, 3_600, 3_600].map((s) => s * 1_000),
    );
  });

  it('grows from two seconds to a minute between two looks at a full disk', () => {
    expect(roomIntervalMs(0)).toBe(2_000);
    expect(roomIntervalMs(5)).toBeLessThan(5_000);
    expect(roomIntervalMs(50)).toBe(60_000);
  });

  it('grows by half from a second to a quarter of an hour while another run has the dataset', () => {
    expect(first(3, otherRunIntervalMs)).toEqual([1_000, 1_500, 2_250]);
    expect(otherRunIntervalMs(16)).toBeLessThan(900_000);
    expect(otherRunIntervalMs(17)).toBe(900_000);
  });

  it('doubles from the timeout of the run to six hours while its site is silent', () => {
    expect(first(7, (n) => siteTimeoutMs(600_000, n))).toEqual(
      [10, 20, 40, 80, 160, 320, 360].map((minutes) => minutes * 60_000),
    );
  });
});
