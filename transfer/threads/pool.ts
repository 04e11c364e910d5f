/**
 * The helper threads: up to two, for work on files that would hold up the main thread or cost a trip through
 * Node's thread pool for every call. They start with their first job and keep no process alive. What they can
 * do: `worker.ts`.
 */
import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import type { ThreadFailure, ThreadOrder, ThreadReply } from './messages.ts';

type WithoutId<T> = T extends unknown ? Omit<T, 'id'> : never;
type Failed = { readonly failure: ThreadFailure };

export interface ThreadJob {
  send(order: WithoutId<ThreadOrder>, transfer?: readonly ArrayBuffer[]): void;
}

interface HelperThread {
  readonly jobs: () => number;
  /** `settle` is called once, with the reply that ends the job; with a failure also when the thread dies. */
  begin<Reply extends ThreadReply>(settle: (reply: Reply | Failed) => void): ThreadJob;
}

let nextId = 1;
const threads: HelperThread[] = [];
/** More than two would outrun any disk or network that the bytes come from. */
const MAX_THREADS = Math.min(2, availableParallelism());

export function leastBusyThread(): HelperThread {
  const least = [...threads].sort((a, b) => a.jobs() - b.jobs())[0];
  if (least !== undefined && (least.jobs() === 0 || threads.length >= MAX_THREADS)) return least;
  const thread = startThread();
  threads.push(thread);
  return thread;
}

function startThread(): HelperThread {
  // Compiled, this file and its neighbour end in `.js`; the compiler does not look into strings.
  const suffix = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
  const worker = new Worker(new URL(`./worker.${suffix}`, import.meta.url), { name: 'files' });
  worker.unref();
  const jobs = new Map<number, (reply: ThreadReply | Failed) => void>();
  const settle = (id: number, reply: ThreadReply | Failed): void => {
    const job = jobs.get(id);
    jobs.delete(id);
    if (jobs.size === 0) worker.unref();
    job?.(reply);
  };
  worker.on('message', (reply: ThreadReply) => settle(reply.id, reply));
  const broken = (error: Error | number): void => {
    threads.splice(threads.indexOf(thread), 1);
    for (const id of [...jobs.keys()]) {
      settle(id, { failure: { code: undefined, message: `the helper thread ended: ${error}` } });
    }
  };
  worker.on('error', broken);
  worker.on('exit', (code) => {
    if (threads.includes(thread)) broken(code);
  });
  const thread: HelperThread = {
    jobs: () => jobs.size,
    begin: (done) => {
      const id = nextId++;
      if (jobs.size === 0) worker.ref();
      jobs.set(id, done as (reply: ThreadReply | Failed) => void);
      return {
        send: (order, transfer = []) => worker.postMessage({ ...order, id }, transfer),
      };
    },
  };
  return thread;
}
