/** Rows of file lists, as the record of a dataset (D3) and the keyset listing (§2.11) have them. */
import { z } from 'zod';
import { optionalFlag, optionalNumber } from './answers.ts';
import type { FileRow } from './types.ts';

/** Rows without a uid name no file and are left out; a bare text is a uid (§2.4 D3: rows may differ). */
export const fileRows = z.unknown().transform((value): FileRow[] => {
  const rows: unknown[] = Array.isArray(value) ? value : value === null || value === undefined ? [] : [value];
  return rows.flatMap((row): FileRow[] => {
    const record = (typeof row === 'string' ? { uid: row } : (row ?? {})) as Record<string, unknown>;
    const uid = record.uid;
    if (typeof uid !== 'string' || uid === '') return [];
    return [
      {
        uid,
        uploaded: optionalFlag.parse(record.uploaded),
        sizeBytes: optionalNumber.parse(record.size),
      },
    ];
  });
});
