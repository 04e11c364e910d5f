/**
 * The lease: at most one run writes a dataset at a time, whichever service, user or host it belongs to. The
 * lease is a row of the dataset's own ledger with a time at which it runs out; a run renews it while it
 * works. Each new holder gets a higher fence, and a run whose fence is no longer the current one can write
 * nothing more to the ledger. A run that takes the lease again before anybody else had it keeps its fence.
 */
import { CourierError } from '../errors/index.ts';
import type { Db, Row } from '../sqlite/types.ts';

/** The names under which a run asks for the lease. */
export interface LeaseRequest {
  readonly workflowId: string;
  /** The same across retries and continue-as-new. */
  readonly runKey: string;
  /** The run that started this one. A child works under the lease of its parent. */
  readonly parentWorkflowId?: string | undefined;
  /** Key of the run that this one is a part of, with a plan of its own, and whose lease it shares. */
  readonly partOf?: string | undefined;
  /** Which service asks, for people. */
  readonly holder: string;
  /**
   * How long the lease holds without being renewed. Must exceed the difference between the clocks of hosts
   * that share a disk.
   */
  readonly ttlMs: number;
}

export interface LeaseHolder {
  readonly workflowId: string;
  readonly runKey: string;
  readonly holder: string;
  /** ISO time of the acquisition. */
  readonly since: string;
  readonly expiresAtMs: number;
}

export type LeaseResult =
  | { readonly held: true; readonly fence: number }
  | { readonly held: false; readonly by: LeaseHolder; readonly hasRunOut: boolean };

export interface LeaseLedger {
  /** Takes the lease if nobody has it. Called twice by the same run, the second call renews it. */
  acquire(request: LeaseRequest): LeaseResult;
  /** Takes the lease from `from`, unless somebody else has it by now. */
  takeOver(request: LeaseRequest, from: LeaseHolder): LeaseResult;
  /** Postpones the end of the lease. False when the run has lost it. */
  renew(request: LeaseRequest): boolean;
  /** Does nothing when the run does not hold the lease, and for a child: its parent goes on. */
  release(runKey: string): void;
  holder(): LeaseHolder | undefined;
}

const holderOf = (row: Row): LeaseHolder => ({
  workflowId: row.workflow_id as string,
  runKey: row.run_key as string,
  holder: row.holder as string,
  since: row.since as string,
  expiresAtMs: row.expires_at_ms as number,
});

export function openLease(db: Db, now: () => number = Date.now): LeaseLedger {
  const current = (): Row | undefined => db.get('SELECT * FROM lease');

  const take = ({ workflowId, runKey, holder, ttlMs }: LeaseRequest): LeaseResult => {
    const fact = (key: string): string | undefined =>
      db.get('SELECT value FROM dataset_facts WHERE key = ?', key)?.value as string | undefined;
    const last = Number(fact('fence') ?? 1);
    // An attempt that died after it gave the lease back is repeated: nobody has worked in between.
    const fence = fact('fence of') === runKey ? last : last + 1;
    db.run(
      `INSERT OR REPLACE INTO dataset_facts (key, value) VALUES ('fence', ?), ('fence of', ?)`,
      String(fence),
      runKey,
    );
    db.run(
      `INSERT OR REPLACE INTO lease (one, workflow_id, run_key, holder, since, expires_at_ms, fence)
       VALUES (1, ?, ?, ?, ?, ?, ?)`,
      workflowId,
      runKey,
      holder,
      new Date(now()).toISOString(),
      now() + ttlMs,
      fence,
    );
    return { held: true, fence };
  };

  const renewed = (row: Row, ttlMs: number): LeaseResult => {
    db.run('UPDATE lease SET expires_at_ms = ?', now() + ttlMs);
    return { held: true, fence: row.fence as number };
  };

  const acquire = (request: LeaseRequest): LeaseResult => {
    const row = current();
    if (row === undefined) return take(request);
    const isShared = row.run_key === request.partOf || row.workflow_id === request.parentWorkflowId;
    if (row.run_key === request.runKey || isShared) return renewed(row, request.ttlMs);
    // Temporal runs a workflow id once at a time: the run that held the lease under this id has ended.
    if (row.workflow_id === request.workflowId) return take(request);
    const by = holderOf(row);
    return { held: false, by, hasRunOut: by.expiresAtMs <= now() };
  };

  return {
    acquire: (request) => db.transaction(() => acquire(request)),

    takeOver: (request, from) =>
      db.transaction(() => {
        const row = current();
        const isSame = row?.run_key === from.runKey && row.workflow_id === from.workflowId;
        return isSame ? take(request) : acquire(request);
      }),

    renew: ({ runKey, partOf, parentWorkflowId, ttlMs }) =>
      db.run(
        'UPDATE lease SET expires_at_ms = ? WHERE run_key IN (?, ?) OR workflow_id = ?',
        now() + ttlMs,
        runKey,
        partOf ?? runKey,
        parentWorkflowId ?? '',
      ) > 0,

    release: (runKey) => {
      db.run('DELETE FROM lease WHERE run_key = ?', runKey);
    },

    holder: () => {
      const row = current();
      return row && holderOf(row);
    },
  };
}

/**
 * @throws NDI_E_LEASE_LOST when the lease has another fence by now. To be called inside the transaction that
 * writes.
 */
export function checkFence(db: Db, fence: number): void {
  const row = db.get('SELECT fence, workflow_id, holder FROM lease');
  if (row?.fence === fence) return;
  const detail = row === undefined ? 'It was given back.' : `${row.workflow_id} (${row.holder}) has it.`;
  throw new CourierError('NDI_E_LEASE_LOST', { detail });
}
