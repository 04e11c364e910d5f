/**
 * The exclusive write lock of a dataset (NDI Cloud contract §2.11). The path is not known for sure
 * (§10 no. 34): a cloud without this route answers NDI_E_NOT_FOUND. Held by somebody else: NDI_E_LOCKED, with
 * the time until it ends.
 */
import { z } from 'zod';
import { optionalFlag, optionalText, readAs } from './answers.ts';
import { cloudId } from './ids.ts';
import type { ApiAnswer, ApiCall, Requester } from './request.ts';
import type { WriteLockRoutes } from './types.ts';

const lockAnswer = z
  .looseObject({ locked: optionalFlag, heldBy: optionalText, heldUntil: optionalText, reason: optionalText })
  .transform(({ locked, heldBy, heldUntil, reason }) => ({
    isHeld: locked ?? heldBy !== undefined,
    lock: { heldBy, heldUntil, reason },
  }));

export function createWriteLock(requester: Requester): WriteLockRoutes {
  const send = (
    method: ApiCall['method'],
    verb: string,
    datasetId: string,
    more: Pick<ApiCall, 'json' | 'signal'>,
  ): Promise<ApiAnswer> => {
    const id = cloudId('dataset', datasetId);
    const what = `${verb} the write lock of dataset ${id}`;
    const kind = method === 'GET' ? 'read' : 'write';
    return requester.send({ method, path: ['datasets', id, 'write-lock'], kind, what, ...more });
  };
  return {
    acquire: async (datasetId, { reason, ttlSeconds }, signal) =>
      readAs(await send('POST', 'acquire', datasetId, { json: { reason, ttlSeconds }, signal }), lockAnswer)
        .lock,
    async get(datasetId, signal) {
      const { isHeld, lock } = readAs(await send('GET', 'read', datasetId, { signal }), lockAnswer);
      return isHeld ? lock : undefined;
    },
    refresh: async (datasetId, ttlSeconds, signal) =>
      readAs(await send('PUT', 'refresh', datasetId, { json: { ttlSeconds }, signal }), lockAnswer).lock,
    async release(datasetId, signal) {
      await send('DELETE', 'release', datasetId, { signal });
    },
  };
}
