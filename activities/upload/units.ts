/** Cuts files and documents into units, the batches that move together. Files are wave 0. */

import { packUnits, type UnitPacker } from '../../ledger/pack.ts';
import type { NewPlanUnit } from '../../ledger/types.ts';
import type { UploadInput } from '../../workflows/contracts/index.ts';
import type { RunScope } from '../deps.ts';
import { fileUnitLimits } from '../shared/units.ts';

export interface UnitWriter {
  /** The unit that a file of this size goes with; `alone` for a file that must have an answer of its own. */
  unitForFile(sizeBytes: number, alone: boolean): number;
  endOfFiles(): void;
  /**
   * The unit that a document goes with; it comes after the units of what it depends on. Call in dependency
   * order.
   */
  unitForDocument(earlierUnits: Iterable<number>, sizeBytes: number): number;
  endOfDocuments(): void;
  /**
   * The unit of a document that replaces the cloud's. They go last, when everything that they may name is
   * there.
   */
  unitForReplacement(sizeBytes: number): number;
  endOfReplacements(): void;
}

/** `lastUnit`: the highest number that the plan has already. */
export function createUnits(scope: RunScope, input: UploadInput, lastUnit = 0): UnitWriter {
  const { ledger, tuning } = scope;
  let last = lastUnit;
  const nextUnit = (): number => {
    last += 1;
    return last;
  };
  const waveOf = new Map<number, number>();
  let lastWave = 0;
  const write = (unit: NewPlanUnit): void => {
    waveOf.set(unit.unit, unit.wave);
    lastWave = Math.max(lastWave, unit.wave);
    ledger.units.add([unit]);
  };
  const serially = packUnits(fileUnitLimits(scope), nextUnit, write);
  const zipped = packUnits(
    { kind: 'file-zip', maxItems: tuning.zipFiles, maxBytes: tuning.zipBytes },
    nextUnit,
    write,
  );
  const ofDocuments = { maxItems: tuning.documentsPerUnit, maxBytes: tuning.documentBytesPerUnit };
  const documents = packUnits({ kind: 'documents', ...ofDocuments }, nextUnit, write);
  const replacements = packUnits({ kind: 'replacements', ...ofDocuments }, nextUnit, write);

  return {
    unitForFile: (sizeBytes, alone) => {
      // Above a zip's size a file goes alone, streamed from where it lies.
      if (sizeBytes > tuning.zipBytes) {
        const unit = nextUnit();
        write({ unit, kind: 'file', wave: 0, itemCount: 1, sizeBytes });
        return unit;
      }
      const pack: UnitPacker = alone || input.strategy === 'serial' ? serially : zipped;
      return pack.add(sizeBytes);
    },
    endOfFiles: () => {
      serially.close();
      zipped.close();
    },
    unitForDocument: (earlierUnits, sizeBytes) => {
      const unit = documents.add(sizeBytes);
      for (const earlier of earlierUnits) {
        // Inside a unit the order of the archive is the order of import.
        if (earlier !== unit) documents.raiseWave((waveOf.get(earlier) ?? 0) + 1);
      }
      return unit;
    },
    endOfDocuments: documents.close,
    unitForReplacement: (sizeBytes) => {
      const unit = replacements.add(sizeBytes);
      replacements.raiseWave(lastWave + 1);
      return unit;
    },
    endOfReplacements: replacements.close,
  };
}
