import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { Ledger } from '../../ledger/ledger.ts';
import { openLedger } from '../../ledger/open.ts';
import type { UnitState } from '../../ledger/types.ts';
import { noteUnitsAgain } from './resend.ts';
import { nextDocumentUnits } from './waves.ts';

const RUN = 'run';
const PER_UNIT = 2;
let dir: string;
let ledger: Ledger;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'waves-'));
  ledger = openLedger(join(dir, 'ledger.sqlite'));
  ledger.run(RUN).plan.begin({ operation: 'upload', direction: 'up', cloudDatasetId: 'c' });
});
afterEach(() => {
  ledger.close();
  rmSync(dir, { recursive: true, force: true });
});

/** One unit of two documents for each of these waves. */
function plan(waves: readonly number[]): void {
  ledger
    .run(RUN)
    .units.add(
      waves.map((wave, n) => ({ unit: n, kind: 'documents', wave, itemCount: PER_UNIT, sizeBytes: 2 })),
    );
  ledger.run(RUN).items.add(
    waves.flatMap((_, unit) =>
      ['a', 'b'].map((letter) => ({
        kind: 'document' as const,
        id: `${unit}${letter}`,
        unit,
        state: 'pending' as const,
        sizeBytes: 1,
      })),
    ),
  );
  ledger.run(RUN).plan.seal();
}

function mark(units: readonly number[], state: 'sent' | 'done', unitState: UnitState = 'done'): void {
  for (const unit of units) {
    ledger.run(RUN).items.mark('document', [`${unit}a`, `${unit}b`], { state });
    ledger.run(RUN).units.mark(unit, { state: unitState });
  }
}

const next = () => nextDocumentUnits(ledger.run(RUN), PER_UNIT);

it('gives one wave after the other and asks for the list at the end', () => {
  plan([0, 0, 1, 2]);
  expect(next()).toEqual({ units: [0, 1], lastOfWave: false });
  mark([0, 1], 'sent');
  expect(next()).toEqual({ units: [2], lastOfWave: false });
  mark([2], 'sent');
  expect(next()).toEqual({ units: [3], lastOfWave: true });
  mark([3], 'sent');
  expect(next()).toEqual({ units: [], lastOfWave: true });
});

it('asks for the list when fifteen full units are out, within a wave or between two', () => {
  const first = [0, 1, 2, 3, 4, 5, 6];
  plan([...first.map(() => 0), ...Array.from({ length: 30 }, () => 1)]);
  expect(next()).toEqual({ units: first, lastOfWave: false });
  mark(first, 'sent');
  const second = [7, 8, 9, 10, 11, 12, 13, 14];
  expect(next()).toEqual({ units: second, lastOfWave: true });
  mark([...first, ...second], 'done');
  expect(next()).toEqual({ units: Array.from({ length: 15 }, (_, n) => 15 + n), lastOfWave: true });
});

it('gives what was lost before anything new, in its waves', () => {
  plan([0, 1, 1, 2]);
  mark([0, 1], 'sent');
  const query = {
    kind: 'document',
    states: ['sent'],
    unitKind: 'documents',
    maxItems: 2,
    maxBytes: 9,
  } as const;
  const units = ledger.run(RUN).units.replan(query);
  noteUnitsAgain(ledger.run(RUN), units[0]!.unit);
  expect(next()).toEqual({ units: [4], lastOfWave: false });
  ledger.run(RUN).items.mark('document', ['0a', '0b'], { state: 'sent' });
  ledger.run(RUN).units.mark(4, { state: 'done' });
  expect(next()).toEqual({ units: [5], lastOfWave: true });
  ledger.run(RUN).units.mark(5, { state: 'done' });
  expect(next()).toEqual({ units: [2], lastOfWave: false });
});
