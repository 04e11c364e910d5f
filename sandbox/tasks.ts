/**
 * Work that the cloud does later (imports, extraction, zips, publishing). A task is a row, so it survives a
 * restart; it is deleted when done, and its `progress` is written in the same transaction as the work it
 * stands for.
 */
import type { Store } from './store.ts';

export interface Task {
  readonly id: number;
  readonly kind: string;
  readonly payload: Record<string, unknown>;
  readonly progress: number;
}

export type TaskHandler = (task: Task, signal: AbortSignal) => Promise<void> | void;

const MAX_RUNNING = 6;

export interface Tasks {
  register(kind: string, handler: TaskHandler): void;
  schedule(kind: string, delayMs: number, payload: Record<string, unknown>): void;
  setProgress(id: number, progress: number): void;
  pending(): number;
  /** Looks for due tasks now: after a change of the clock. */
  wake(): void;
  /** Waits for running tasks to stop at their next safe point; what is left goes on at the next start. */
  close(): Promise<void>;
}

export function createTasks(deps: { store: Store; now: () => number; log: (line: string) => void }): Tasks {
  const { store, now, log } = deps;
  const handlers = new Map<string, TaskHandler>();
  const running = new Map<number, Promise<void>>();
  const abort = new AbortController();
  let timer: NodeJS.Timeout | undefined;

  const start = (row: { id: number; kind: string; payload: string; progress: number }): void => {
    const handler = handlers.get(row.kind);
    if (handler === undefined) return;
    const task: Task = {
      id: row.id,
      kind: row.kind,
      payload: JSON.parse(row.payload),
      progress: row.progress,
    };
    const run = async (): Promise<void> => {
      try {
        await handler(task, abort.signal);
      } catch (error) {
        if (abort.signal.aborted) return;
        // As in the cloud: nobody is told, the work is just not done.
        log(`task ${row.kind} failed: ${error instanceof Error ? error.message : String(error)}`);
      }
      if (!abort.signal.aborted) store.run('DELETE FROM tasks WHERE id=?', row.id);
    };
    running.set(
      row.id,
      run().finally(() => {
        running.delete(row.id);
        if (running.size === MAX_RUNNING - 1) tick();
      }),
    );
  };

  const tick = (): void => {
    if (abort.signal.aborted) return;
    clearTimeout(timer);
    timer = undefined;
    const rows = store.all<{ id: number; kind: string; due_ms: number; payload: string; progress: number }>(
      'SELECT * FROM tasks ORDER BY due_ms, id',
    );
    for (const row of rows) {
      if (running.has(row.id)) continue;
      if (running.size >= MAX_RUNNING) return;
      const waitMs = row.due_ms - now();
      if (waitMs <= 0) start(row);
      else {
        timer = setTimeout(tick, Math.min(waitMs, 60_000));
        timer.unref();
        break;
      }
    }
  };

  return {
    register: (kind, handler) => void handlers.set(kind, handler),
    schedule: (kind, delayMs, payload) => {
      store.run(
        'INSERT INTO tasks (kind, due_ms, payload) VALUES (?,?,?)',
        kind,
        now() + delayMs,
        JSON.stringify(payload),
      );
      setImmediate(tick);
    },
    setProgress: (id, progress) => void store.run('UPDATE tasks SET progress=? WHERE id=?', progress, id),
    pending: () => store.get<{ n: number }>('SELECT count(*) n FROM tasks')?.n ?? 0,
    wake: tick,
    close: async () => {
      abort.abort();
      clearTimeout(timer);
      await Promise.allSettled(running.values());
    },
  };
}
