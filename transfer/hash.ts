/**
 * Hashing: of bytes at once, of a file beside its transfer (`followFile`), of a whole file (`hashFile`). Files are hashed in up to two
 * threads, which start with the first file and keep no process alive.
 */
import { createHash } from 'node:crypto';
import { open } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import { CourierError } from '../errors/index.ts';
import { fileFailure } from './failures.ts';
import type { HashOrder, HashReply } from './hash-worker.ts';
import type { Digests, HashChoice } from './types.ts';

/** Below this, handing a file to a thread costs more than hashing it (2 ms) here. */
export const INLINE_HASH_BYTES = 1024 * 1024;

export function hashBytes(bytes: Uint8Array, hash: HashChoice): Digests {
  const hasher = startHash(hash);
  hasher.update(bytes);
  return hasher.digests();
}

/** Digests of bytes that come piece by piece and lie in no file. */
export function startHash(hash: HashChoice): { update(bytes: Uint8Array): void; digests(): Digests } {
  const md5 = hash === 'md5' || hash === 'both' ? createHash('md5') : undefined;
  const sha256 = hash === 'sha256' || hash === 'both' ? createHash('sha256') : undefined;
  return {
    update: (bytes) => {
      md5?.update(bytes);
      sha256?.update(bytes);
    },
    digests: () => ({ md5Hex: md5?.digest('hex') ?? '', sha256Hex: sha256?.digest('hex') ?? '' }),
  };
}

/** Digests of the file at `path` and its size. Raises NDI_E_FILE_MISSING, NDI_E_READ_ONLY, NDI_E_FILE_CHANGED. */
export async function hashFile(
  path: string,
  hash: HashChoice = 'both',
  signal?: AbortSignal,
): Promise<Digests & { readonly sizeBytes: number }> {
  let file: Awaited<ReturnType<typeof open>> | undefined;
  try {
    file = await open(path, 'r');
    const { size } = await file.stat();
    if (size <= INLINE_HASH_BYTES) {
      const bytes = await file.readFile();
      return { ...hashBytes(bytes, hash), sizeBytes: bytes.length };
    }
    const follower = followFile(file.fd, hash, path);
    const stop = (): void => void follower.abandon();
    signal?.addEventListener('abort', stop, { once: true });
    try {
      signal?.throwIfAborted();
      return { ...(await follower.finish(size)), sizeBytes: size };
    } finally {
      signal?.removeEventListener('abort', stop);
      await follower.abandon();
      signal?.throwIfAborted();
    }
  } catch (error) {
    throw fileFailure(error, path);
  } finally {
    await file?.close();
  }
}

/** Hashes a file behind whoever writes or sends it. */
export interface Follower {
  /** Everything before `offset` may be read now. */
  advance(offset: number): void;
  /** The digests of the first `sizeBytes` bytes. Raises NDI_E_FILE_CHANGED when the file is shorter. */
  finish(sizeBytes: number): Promise<Digests>;
  /** Lets go of the descriptor, which must stay open until this resolves. May be called at any time, and again. */
  abandon(): Promise<void>;
}

export function followFile(fd: number, hash: HashChoice, path: string): Follower {
  if (hash === 'none') {
    const nothing: Digests = { md5Hex: '', sha256Hex: '' };
    return { advance: () => {}, finish: async () => nothing, abandon: async () => {} };
  }
  const thread = leastBusyThread();
  const id = nextId++;
  const answered = Promise.withResolvers<Digests>();
  answered.promise.catch(() => {});
  let abandoning: PromiseWithResolvers<void> | undefined;
  let open = true;
  const settle = (reply: HashReply): void => {
    open = false;
    if ('failure' in reply) answered.reject(asFailure(reply.failure, path));
    else if ('abandoned' in reply) answered.reject(new CourierError('NDI_E_CANCELLED', { detail: path }));
    else answered.resolve({ md5Hex: reply.md5Hex, sha256Hex: reply.sha256Hex });
    abandoning?.resolve();
  };
  thread.begin(id, settle);
  thread.send({ id, order: 'start', fd, hash });
  return {
    advance: (to) => {
      if (open) thread.send({ id, order: 'advance', to });
    },
    finish: (to) => {
      if (open) thread.send({ id, order: 'finish', to });
      return answered.promise;
    },
    abandon: async () => {
      if (!open) return;
      if (abandoning === undefined) {
        abandoning = Promise.withResolvers();
        thread.send({ id, order: 'abandon' });
      }
      await abandoning.promise;
    },
  };
}

const asFailure = (failure: { code: string | undefined; message: string }, path: string): unknown =>
  failure.code === 'ENDED_EARLY'
    ? new CourierError('NDI_E_FILE_CHANGED', { detail: path })
    : fileFailure(Object.assign(new Error(failure.message), { code: failure.code }), path);

interface Thread {
  readonly busy: () => number;
  begin(id: number, settle: (reply: HashReply) => void): void;
  send(order: HashOrder): void;
}

let nextId = 1;
const threads: Thread[] = [];
/** More than two would outrun any disk or network that the bytes come from. */
const MAX_THREADS = Math.min(2, availableParallelism());

function leastBusyThread(): Thread {
  const least = [...threads].sort((a, b) => a.busy() - b.busy())[0];
  if (least !== undefined && (least.busy() === 0 || threads.length >= MAX_THREADS)) return least;
  const thread = startThread();
  threads.push(thread);
  return thread;
}

function startThread(): Thread {
  // Compiled, this file and its neighbour end in `.js`; the compiler does not look into strings.
  const suffix = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
  const worker = new Worker(new URL(`./hash-worker.${suffix}`, import.meta.url), { name: 'hash' });
  worker.unref();
  const jobs = new Map<number, (reply: HashReply) => void>();
  const settle = (reply: HashReply): void => {
    const job = jobs.get(reply.id);
    jobs.delete(reply.id);
    if (jobs.size === 0) worker.unref();
    job?.(reply);
  };
  worker.on('message', settle);
  const broken = (error: Error | number): void => {
    threads.splice(threads.indexOf(thread), 1);
    for (const id of [...jobs.keys()]) {
      settle({ id, failure: { code: undefined, message: `the hash thread ended: ${error}` } });
    }
  };
  worker.on('error', broken);
  worker.on('exit', (code) => {
    if (threads.includes(thread)) broken(code);
  });
  const thread: Thread = {
    busy: () => jobs.size,
    begin: (id, done) => {
      if (jobs.size === 0) worker.ref();
      jobs.set(id, done);
    },
    send: (order) => worker.postMessage(order),
  };
  return thread;
}
