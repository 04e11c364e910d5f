/** Packing items into units, the batches that move together. */
import type { NewPlanUnit, UnitKind } from './types.ts';

export interface UnitLimits {
  readonly kind: UnitKind;
  readonly maxItems: number;
  /** A unit of one item may exceed it. */
  readonly maxBytes: number;
}

export interface UnitPacker {
  /** The unit that an item of this size goes into. Items go into the open unit until it is full. */
  add(sizeBytes: number): number;
  /** The open unit; undefined between units. */
  readonly open: NewPlanUnit | undefined;
  /** Raises the wave of the open unit. */
  raiseWave(wave: number): void;
  /** Closes the open unit. */
  close(): void;
}

/**
 * Cuts items into units of one kind. `nextUnit` numbers them; `done` gets each unit when it is full or
 * closed.
 */
export function packUnits(
  limits: UnitLimits,
  nextUnit: () => number,
  done: (unit: NewPlanUnit) => void,
): UnitPacker {
  let open: { -readonly [K in keyof NewPlanUnit]: NewPlanUnit[K] } | undefined;
  const close = (): void => {
    if (open !== undefined) done(open);
    open = undefined;
  };
  return {
    get open() {
      return open;
    },
    add: (sizeBytes) => {
      const isFull =
        open !== undefined &&
        (open.itemCount >= limits.maxItems || open.sizeBytes + sizeBytes > limits.maxBytes);
      if (isFull) close();
      open ??= { unit: nextUnit(), kind: limits.kind, wave: 0, itemCount: 0, sizeBytes: 0 };
      open.itemCount += 1;
      open.sizeBytes += sizeBytes;
      return open.unit;
    },
    raiseWave: (wave) => {
      if (open !== undefined) open.wave = Math.max(open.wave, wave);
    },
    close,
  };
}
