/**
 * Takes away, now and then, what is past its purge time. Readers do not wait for it: they judge by the time
 * themselves.
 */
import type { Cloud } from './cloud/http.ts';

const EVERY_MS = 30_000;
/** A lagging replica may still show what was deleted a moment ago. */
const GRACE_MS = 60_000;
const AT_ONCE = 2000;

export function createSweeper(cloud: Cloud): { sweep(): void; stop(): void } {
  const { store } = cloud;
  const sweep = (): void => {
    const before = cloud.now() - GRACE_MS;
    for (const { id } of store.all<{ id: string }>(
      'SELECT id FROM datasets WHERE purge_ms IS NOT NULL AND purge_ms<?',
      before,
    )) {
      store.run('UPDATE documents SET deleted_ms=?, purge_ms=0 WHERE dataset_id=?', before, id);
      for (const table of ['files', 'jobs', 'bookmarks', 'write_locks', 'url_jobs', 'tier_jobs'])
        store.run(`DELETE FROM ${table} WHERE dataset_id=?`, id);
      for (const prefix of ['', 'bulk-documents/', 'bulk-files/', 'bulk-downloads/', 'url-sets/'])
        cloud.bucket.removePrefix(`${prefix}${id}/`);
      store.run('DELETE FROM object_tiers WHERE key>=? AND key<?', `${id}/`, `${id}0`);
      store.run('DELETE FROM datasets WHERE id=?', id);
    }
    // Objects of single deleted documents stay, as they do in the cloud (§2.5 E7).
    const gone = store.all<{ seq: number }>(
      'SELECT seq FROM documents WHERE purge_ms IS NOT NULL AND purge_ms<? LIMIT ?',
      before,
      AT_ONCE,
    );
    store.transaction(() => {
      for (const { seq } of gone) {
        store.run('DELETE FROM bodies WHERE seq=?', seq);
        store.run('DELETE FROM documents WHERE seq=?', seq);
      }
    });
  };
  const timer = setInterval(sweep, EVERY_MS);
  timer.unref();
  return { sweep, stop: () => clearInterval(timer) };
}
