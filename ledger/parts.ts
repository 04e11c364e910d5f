/**
 * The journal of ranged downloads. Keyed by file, not by run: the next run goes on with what this one left.
 */
import type { Db } from '../sqlite/types.ts';
import type { LedgerVerbs } from './verbs.ts';

export function openParts(db: Db): Pick<LedgerVerbs, 'parts'> {
  return {
    parts: (fileUid) => ({
      load: () => {
        const plan = db.get('SELECT * FROM parts WHERE file_uid = ?', fileUid);
        if (plan === undefined) return undefined;
        const done = db.all('SELECT part FROM parts_done WHERE file_uid = ? ORDER BY part', fileUid);
        return {
          sizeBytes: plan.size_bytes as number,
          etag: (plan.etag as string | null) ?? undefined,
          partSizeBytes: plan.part_size_bytes as number,
          done: done.map((row) => row.part as number),
        };
      },

      begin: ({ sizeBytes, etag, partSizeBytes }) =>
        db.transaction(() => {
          db.run('DELETE FROM parts WHERE file_uid = ?', fileUid);
          db.run(
            'INSERT INTO parts (file_uid, size_bytes, etag, part_size_bytes) VALUES (?, ?, ?, ?)',
            fileUid,
            sizeBytes,
            etag ?? null,
            partSizeBytes,
          );
        }),

      // After `clear` by a try that finished first there is nothing to note.
      markDone: (part) => {
        db.run(
          `INSERT INTO parts_done (file_uid, part) SELECT file_uid, ? FROM parts WHERE file_uid = ?
           ON CONFLICT DO NOTHING`,
          part,
          fileUid,
        );
      },

      clear: () => {
        db.run('DELETE FROM parts WHERE file_uid = ?', fileUid);
      },
    }),
  };
}
