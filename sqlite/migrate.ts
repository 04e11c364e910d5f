/**
 * Versions of a file. Its `user_version` is the number of migrations it has seen. A released migration never
 * changes: the next one corrects it.
 */
import { CourierError, type ErrorCode } from '../errors/index.ts';
import type { Db } from './types.ts';

/**
 * Brings the file to the version of `migrations`, in one transaction, so that it is always of one version.
 * Does nothing to a file that has this version. Several processes may call it at once: one of them migrates.
 * @throws `newer` for a file of a later program, which is left as it is
 */
export function migrate(db: Db, migrations: readonly string[], newer: ErrorCode): void {
  if (versionOf(db) === migrations.length) return;
  db.transaction(() => {
    // Read again under the write lock: another process may just have done it.
    const from = versionOf(db);
    if (from > migrations.length) {
      throw new CourierError(newer, {
        detail: `${db.path} is of version ${from}, this program knows ${migrations.length}.`,
      });
    }
    for (const statements of migrations.slice(from)) db.exec(statements);
    db.exec(`PRAGMA user_version = ${migrations.length}`);
  });
}

const versionOf = (db: Db): number => Number(db.get('PRAGMA user_version')?.user_version ?? 0);
