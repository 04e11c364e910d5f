/**
 * Hashing: of bytes at once, of a file beside its transfer (`followFile`), of a whole file (`hashFile`).
 * Files are hashed in the helper threads.
 */
import { createHash } from 'node:crypto';
import { fileFailure } from '../disk/errors.ts';
import { openSource, readSource } from '../disk/source.ts';
import { CourierError } from '../errors/index.ts';
import { asError, type HashReply, type ThreadFailure } from './threads/messages.ts';
import { leastBusyThread } from './threads/pool.ts';
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

/**
 * Digests of the file at `path` and its size.
 * @throws NDI_E_FILE_MISSING, NDI_E_FILE_UNREADABLE for all but a regular file, NDI_E_READ_ONLY,
 * NDI_E_FILE_CHANGED
 */
export async function hashFile(
  path: string,
  hash: HashChoice = 'both',
  signal?: AbortSignal,
): Promise<Digests & { readonly sizeBytes: number }> {
  let source: Awaited<ReturnType<typeof openSource>> | undefined;
  try {
    source = await openSource(path);
    const { file } = source;
    const { size } = source.stats;
    if (size <= INLINE_HASH_BYTES) {
      const bytes = await readSource(source);
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
    await source?.file.close();
  }
}

/** Hashes a file behind whoever writes or sends it. */
export interface Follower {
  /** Everything before `offset` may be read now. */
  advance(offset: number): void;
  /**
   * The digests of the first `sizeBytes` bytes.
   * @throws NDI_E_FILE_CHANGED when the file is shorter
   */
  finish(sizeBytes: number): Promise<Digests>;
  /**
   * Lets go of the descriptor, which must stay open until this resolves. May be called at any time, and
   * again.
   */
  abandon(): Promise<void>;
}

export function followFile(fd: number, hash: HashChoice, path: string): Follower {
  if (hash === 'none') {
    const nothing: Digests = { md5Hex: '', sha256Hex: '' };
    return { advance: () => {}, finish: async () => nothing, abandon: async () => {} };
  }
  const answered = Promise.withResolvers<Digests>();
  answered.promise.catch(() => {});
  let abandoning: PromiseWithResolvers<void> | undefined;
  let open = true;
  const job = leastBusyThread().begin<HashReply>((reply) => {
    open = false;
    if ('failure' in reply) answered.reject(asFailure(reply.failure, path));
    else if ('abandoned' in reply) answered.reject(new CourierError('NDI_E_CANCELLED', { detail: path }));
    else answered.resolve({ md5Hex: reply.md5Hex, sha256Hex: reply.sha256Hex });
    abandoning?.resolve();
  });
  job.send({ order: 'start', fd, hash });
  return {
    advance: (to) => {
      if (open) job.send({ order: 'advance', to });
    },
    finish: (to) => {
      if (open) job.send({ order: 'finish', to });
      return answered.promise;
    },
    abandon: async () => {
      if (!open) return;
      if (abandoning === undefined) {
        abandoning = Promise.withResolvers();
        job.send({ order: 'abandon' });
      }
      await abandoning.promise;
    },
  };
}

const asFailure = (failure: ThreadFailure, path: string): unknown =>
  failure.code === 'ENDED_EARLY'
    ? new CourierError('NDI_E_FILE_CHANGED', { detail: path })
    : fileFailure(asError(failure), path);
