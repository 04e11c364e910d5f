/** Cuts files and documents into units, the batches that move together. */
import type { Ledger, NewPlanUnit, UnitKind } from '../../ledger/types.ts';
import type { UploadInput } from '../../workflows/contracts/index.ts';

export interface UnitWriter {
  /** The unit that a file of this size goes with. */
  unitForFile(sizeBytes: number): number;
  endOfFiles(): void;
  /** The unit that a document goes with. Call in dependency order. */
  unitForDocument(id: string, dependsOn: readonly string[], sizeBytes: number): number;
  end(): void;
}

/** A unit of files sent one by one: big enough to be worth a step, small enough to be repeated. */
const SERIAL_FILES = 256;
const SERIAL_BYTES = 1_000_000_000;

interface OpenUnit {
  readonly unit: number;
  readonly kind: UnitKind;
  wave: number;
  itemCount: number;
  sizeBytes: number;
}

export function createUnits(ledger: Ledger, runKey: string, input: UploadInput): UnitWriter {
  const { tuning, strategy } = input;
  let next = 1;
  let openFiles: OpenUnit | undefined;
  let openDocuments: OpenUnit | undefined;
  const unitOf = new Map<string, number>();
  const waveOf = new Map<number, number>();

  const begin = (kind: UnitKind): OpenUnit => {
    const unit: OpenUnit = { unit: next, kind, wave: 0, itemCount: 0, sizeBytes: 0 };
    next += 1;
    return unit;
  };
  const close = (unit: OpenUnit | undefined): undefined => {
    if (unit !== undefined) {
      waveOf.set(unit.unit, unit.wave);
      ledger.addUnits(runKey, [unit satisfies NewPlanUnit]);
    }
    return undefined;
  };
  const fits = (unit: OpenUnit, sizeBytes: number, maxItems: number, maxBytes: number): boolean =>
    unit.itemCount < maxItems && (unit.itemCount === 0 || unit.sizeBytes + sizeBytes <= maxBytes);
  const put = (unit: OpenUnit, sizeBytes: number): number => {
    unit.itemCount += 1;
    unit.sizeBytes += sizeBytes;
    return unit.unit;
  };

  return {
    unitForFile: (sizeBytes) => {
      // Above a zip's size a file goes alone, streamed from where it lies.
      if (sizeBytes > tuning.zipBytes) {
        const single = begin('file');
        put(single, sizeBytes);
        close(single);
        return single.unit;
      }
      const serial = strategy === 'serial';
      const maxItems = serial ? SERIAL_FILES : tuning.zipFiles;
      const maxBytes = serial ? SERIAL_BYTES : tuning.zipBytes;
      if (openFiles !== undefined && !fits(openFiles, sizeBytes, maxItems, maxBytes))
        openFiles = close(openFiles);
      openFiles ??= begin(serial ? 'files' : 'file-zip');
      return put(openFiles, sizeBytes);
    },
    endOfFiles: () => {
      openFiles = close(openFiles);
    },
    unitForDocument: (id, dependsOn, sizeBytes) => {
      const { documentsPerUnit, documentBytesPerUnit } = tuning;
      if (
        openDocuments !== undefined &&
        !fits(openDocuments, sizeBytes, documentsPerUnit, documentBytesPerUnit)
      ) {
        openDocuments = close(openDocuments);
      }
      openDocuments ??= begin('documents');
      for (const dependency of dependsOn) {
        const unit = unitOf.get(dependency);
        // Inside a unit the order of the archive is the order of import.
        if (unit === undefined || unit === openDocuments.unit) continue;
        openDocuments.wave = Math.max(openDocuments.wave, (waveOf.get(unit) ?? 0) + 1);
      }
      unitOf.set(id, openDocuments.unit);
      return put(openDocuments, sizeBytes);
    },
    end: () => {
      openDocuments = close(openDocuments);
    },
  };
}
