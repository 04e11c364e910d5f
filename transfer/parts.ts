/**
 * Which parts of an object are on disk, which span is to be fetched next, and when the journal may say so.
 *
 * A part is noted as done only when its bytes were forced to disk: after a power cut a journal that ran ahead
 * of its file would vouch for zeroes, and where the ETag is no MD5 nothing would notice. One flush serves all
 * parts that are written by then.
 */
import type { FileHandle } from 'node:fs/promises';
import type { PartJournal } from './types.ts';

export interface Span {
  readonly start: number;
  /** Exclusive. */
  readonly end: number;
}

export interface Parts {
  readonly sizeBytes: number;
  readonly partSizeBytes: number;
  /** Bytes that an earlier try has left. */
  readonly resumedBytes: number;
  /** Takes the next stretch of missing parts, at most `maxBytes` long; undefined when all are taken. */
  take(maxBytes: number): Span | undefined;
  /** The bytes from `start` to `end` are written. Called in order along a span, in any pieces. */
  written(start: number, end: number): void;
  /** Everything before this offset is written. */
  frontier(): number;
  /** Resolves when few enough parts wait to be noted; rejects when the disk fails. */
  settled(maxWaiting: number): Promise<void>;
}

export function createParts(
  plan: { readonly sizeBytes: number; readonly partSizeBytes: number; readonly done: readonly number[] },
  file: Pick<FileHandle, 'datasync'>,
  journal: PartJournal | undefined,
): Parts {
  const { sizeBytes, partSizeBytes } = plan;
  const count = Math.ceil(sizeBytes / partSizeBytes);
  const endOf = (part: number): number => Math.min(sizeBytes, (part + 1) * partSizeBytes);
  const bytesOf = (part: number): number => endOf(part) - part * partSizeBytes;
  /** Bytes written per part; a part that is written is full. */
  const filled = new Float64Array(count);
  const taken = new Uint8Array(count);
  let resumedBytes = 0;
  for (const part of plan.done) {
    if (part < 0 || part >= count || taken[part] === 1) continue;
    taken[part] = 1;
    filled[part] = bytesOf(part);
    resumedBytes += bytesOf(part);
  }
  let nextToTake = 0;
  let frontierPart = 0;
  const noting = createNoting(file, journal);

  return {
    sizeBytes,
    partSizeBytes,
    resumedBytes,
    take: (maxBytes) => {
      while (nextToTake < count && taken[nextToTake] === 1) nextToTake += 1;
      if (nextToTake >= count) return undefined;
      const first = nextToTake;
      while (nextToTake < count && taken[nextToTake] === 0) {
        if (nextToTake > first && endOf(nextToTake) - first * partSizeBytes > maxBytes) break;
        taken[nextToTake] = 1;
        nextToTake += 1;
      }
      return { start: first * partSizeBytes, end: endOf(nextToTake - 1) };
    },
    written: (start, end) => {
      for (let part = Math.floor(start / partSizeBytes); part * partSizeBytes < end; part += 1) {
        const overlap = Math.min(end, endOf(part)) - Math.max(start, part * partSizeBytes);
        filled[part] = (filled[part] as number) + overlap;
        if (filled[part] === bytesOf(part)) noting.note(part);
      }
    },
    frontier: () => {
      while (frontierPart < count && filled[frontierPart] === bytesOf(frontierPart)) frontierPart += 1;
      // A part is written from its beginning on.
      return Math.min(sizeBytes, frontierPart * partSizeBytes + (filled[frontierPart] ?? 0));
    },
    settled: noting.settled,
  };
}

function createNoting(
  file: Pick<FileHandle, 'datasync'>,
  journal: PartJournal | undefined,
): { note(part: number): void; settled(maxWaiting: number): Promise<void> } {
  let waiting: number[] = [];
  let inFlush = 0;
  let flushing: Promise<void> | undefined;

  const flush = async (mine: PartJournal): Promise<void> => {
    while (waiting.length > 0) {
      const parts = waiting;
      waiting = [];
      inFlush = parts.length;
      await file.datasync();
      for (const part of parts) mine.markDone(part);
      inFlush = 0;
    }
  };
  return {
    note: (part) => {
      if (journal === undefined) return;
      waiting.push(part);
      flushing ??= flush(journal).finally(() => {
        flushing = undefined;
      });
      // `settled` is who reports it; until then it must not count as unhandled.
      flushing.catch(() => {});
    },
    settled: async (maxWaiting) => {
      while (flushing !== undefined && waiting.length + inFlush > maxWaiting) await flushing;
    },
  };
}
