/**
 * Open ledgers by path. People delete and move dataset folders while the worker lives: a ledger whose file is
 * not at its path any more would take everything in and lose it, so it is opened anew.
 */
import { statSync } from 'node:fs';
import type { Ledger } from '../ledger/ledger.ts';
import { openLedger } from '../ledger/open.ts';

export interface LedgerCache {
  open(path: string): Ledger;
  close(path: string): void;
  closeAll(): void;
}

export function createLedgerCache(): LedgerCache {
  const known = new Map<string, { readonly ledger: Ledger; readonly file: string | undefined }>();
  const close = (path: string): void => {
    known.get(path)?.ledger.close();
    known.delete(path);
  };
  return {
    open: (path) => {
      const before = known.get(path);
      if (before !== undefined && before.file === fileAt(path)) return before.ledger;
      close(path);
      const ledger = openLedger(path);
      known.set(path, { ledger, file: fileAt(path) });
      return ledger;
    },
    close,
    closeAll: () => {
      for (const path of [...known.keys()]) close(path);
    },
  };
}

function fileAt(path: string): string | undefined {
  const stat = statSync(path, { throwIfNoEntry: false, bigint: true });
  return stat && `${stat.dev}:${stat.ino}`;
}
