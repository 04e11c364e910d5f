/** Comparison of two files by content. */
import { closeSync } from 'node:fs';
import { openSourceSync, readUpTo } from './source.ts';

const PIECE_BYTES = 1024 * 1024;

/** Blocks the thread. @throws NDI_E_FILE_UNREADABLE for all but regular files */
export function haveSameBytes(one: string, other: string): boolean {
  const left = openSourceSync(one);
  try {
    const right = openSourceSync(other);
    try {
      if (left.stats.ino === right.stats.ino && left.stats.dev === right.stats.dev) return true;
      if (left.stats.size !== right.stats.size) return false;
      const pieces = [Buffer.allocUnsafe(PIECE_BYTES), Buffer.allocUnsafe(PIECE_BYTES)] as const;
      for (let at = 0; at < left.stats.size; at += PIECE_BYTES) {
        const length = readUpTo(left.file, pieces[0], at);
        if (readUpTo(right.file, pieces[1], at) !== length) return false;
        if (!pieces[0].subarray(0, length).equals(pieces[1].subarray(0, length))) return false;
      }
      return true;
    } finally {
      closeSync(right.file);
    }
  } finally {
    closeSync(left.file);
  }
}
