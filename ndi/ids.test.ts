import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { datenum, datestamp, isNdiId, isSafeName, NO_SESSION_ID, newNdiId } from './ids.ts';

describe('ids and names', () => {
  it('a new id has the 33 characters of NDI and sorts by time like MATLAB’s', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1e12, max: 2e12 }), fc.integer({ min: 1, max: 1e9 }), (now, later) => {
        const first = newNdiId(now);
        const second = newNdiId(new Date(now + later));
        expect(isNdiId(first)).toBe(true);
        expect(first).toHaveLength(33);
        expect(first.slice(0, 16) < second.slice(0, 16)).toBe(true);
      }),
    );
  });

  it('the time half is MATLAB’s datenum, as in the real sample', () => {
    const sample = Buffer.from('412694f69ab1ee31', 'hex').readDoubleBE();
    expect(datenum(Date.UTC(2025, 11, 12, 7, 15, 4, 788))).toBeCloseTo(sample, 7);
    expect(newNdiId(Date.UTC(2025, 11, 12, 7, 15, 4, 788)).slice(0, 12)).toBe('412694f69ab1');
  });

  it('an id is told from what is none', () => {
    for (const id of [
      NO_SESSION_ID,
      '4126970000000001_40b0000000000000',
      '000660AFB744E184_00000000DEADBEEF',
    ]) {
      expect(isNdiId(id)).toBe(true);
    }
    for (const id of [
      '',
      'x',
      7,
      null,
      '4126970000000001_40b000000000000',
      '4126970000000001_40b0000000000000\n',
    ]) {
      expect(isNdiId(id)).toBe(false);
    }
  });

  it('a safe name is one path component', () => {
    for (const name of ['a', 'ai_group1_seg.nbf_1', '..a', 'a..b', 'é'.repeat(127)])
      expect(isSafeName(name)).toBe(true);
    for (const name of ['', '.', '..', 'a/b', '..\\b', 'a\0', '/', 'é'.repeat(128)])
      expect(isSafeName(name)).toBe(false);
  });

  it('a datestamp has exactly three decimals', () => {
    expect(datestamp(Date.UTC(2025, 11, 12, 12, 15, 4))).toBe('2025-12-12T12:15:04.000Z');
  });
});
