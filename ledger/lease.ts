/**
 * The lease: at most one run writes a dataset at a time. It does not expire, because a run may rightly wait for a week;
 * who finds it held asks whether the holder still runs, and releases it in the holder's name if not.
 */
import type { Db } from './db.ts';
import type { Ledger } from './types.ts';

export function openLease(db: Db): Pick<Ledger, 'acquireLease' | 'releaseLease'> {
  return {
    acquireLease: (workflowId) =>
      db.transaction(() => {
        db.run(
          'INSERT INTO lease (one, workflow_id, since) VALUES (1, ?, ?) ON CONFLICT DO NOTHING',
          workflowId,
          new Date().toISOString(),
        );
        const holder = db.get('SELECT workflow_id FROM lease')?.workflow_id as string;
        return holder === workflowId ? { held: true } : { held: false, by: holder };
      }),

    releaseLease: (workflowId) => {
      db.run('DELETE FROM lease WHERE workflow_id = ?', workflowId);
    },
  };
}
