import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { allowedDeletes, formatDeleteCap, parseDeleteCap } from './cap.ts';
import { gateReasons, type PlanTally } from './gate.ts';

const tally = (held: { local: number; cloud: number }, deletes: number, renames = 0): PlanTally => ({
  local: { held: held.local, edited: 0, deletes: 0 },
  cloud: { held: held.cloud, edited: 0, deletes },
  agreed: Math.max(held.local, held.cloud),
  renames,
});

const asks = (sums: PlanTally, cap: string): boolean =>
  gateReasons(sums, { mode: 'two-way', cap: parseDeleteCap(cap), rulesChanged: false }).includes(
    'over-the-cap',
  );

describe('a limit of deletions', () => {
  it.each([
    ['50', { documents: 50 }],
    ['0', { documents: 0 }],
    [' 7 ', { documents: 7 }],
    ['5%', { percent: 5 }],
    ['0.25 %', { percent: 0.25 }],
    ['100%', { percent: 100 }],
    ['0%', { percent: 0 }],
  ])('%j is %j', (text, cap) => {
    expect(parseDeleteCap(text)).toEqual(cap);
    expect(parseDeleteCap(formatDeleteCap(cap as never))).toEqual(cap);
  });

  it.each(['', '%', '-1', '5.5', '101%', '1e3', '0.123%', '5%%', '½', 'all', '0x10', '٣', '9'.repeat(20)])(
    '%j is none',
    (text) => {
      expect(() => parseDeleteCap(text)).toThrow(expect.objectContaining({ code: 'NDI_E_USAGE' }));
      expect(() => parseDeleteCap(text)).toThrow('such as 5%');
    },
  );

  it('is a share of the side that has fewer documents, with parts cut off', () => {
    expect(allowedDeletes({ percent: 5 }, { local: 1_000, cloud: 219 })).toBe(10);
    expect(allowedDeletes({ percent: 5 }, { local: 19, cloud: 1_000 })).toBe(0);
    expect(allowedDeletes({ percent: 100 }, { local: 0, cloud: 1_000 })).toBe(0);
    expect(allowedDeletes({ documents: 50 }, { local: 0, cloud: 1_000 })).toBe(50);
  });

  it('is exact for every percentage with two decimals', () => {
    fc.assert(
      fc.property(fc.nat(10_000), fc.nat(1_000), (hundredths, hundreds) => {
        const held = { local: hundreds * 10_000, cloud: hundreds * 10_000 };
        const cap = parseDeleteCap(
          `${Math.trunc(hundredths / 100)}.${String(hundredths % 100).padStart(2, '0')}%`,
        );
        expect(allowedDeletes(cap, held)).toBe(hundreds * hundredths);
      }),
    );
  });

  it('is asked about by one deletion more than it allows', () => {
    const held = { local: 100, cloud: 200 };
    expect(asks(tally(held, 5), '5%')).toBe(false);
    expect(asks(tally(held, 6), '5%')).toBe(true);
    expect(asks(tally(held, 50), '50')).toBe(false);
    expect(asks(tally(held, 51), '50')).toBe(true);
    expect(asks(tally(held, 1), '0')).toBe(true);
    expect(asks(tally(held, 0), '0')).toBe(false);
  });

  it('counts a rename once, with what it adds and not with what it deletes', () => {
    const held = { local: 100, cloud: 100 };
    expect(asks(tally(held, 6, 1), '5%')).toBe(false);
    expect(asks(tally(held, 7, 1), '5%')).toBe(true);
  });
});
