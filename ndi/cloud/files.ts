/**
 * Files (NDI Cloud contract §2.7, §2.11): the listing, and addresses to send to and fetch from. An address is
 * a secret until it expires: it is returned to the activity that uses it, and named in no message.
 */
import { z } from 'zod';
import { CourierError } from '../../errors/index.ts';
import {
  anything,
  badAnswer,
  optionalFlag,
  optionalNumber,
  optionalText,
  readAs,
  url,
  urlAnswer,
} from './answers.ts';
import { datasetAnswer } from './datasets.ts';
import { fileRows } from './file-rows.ts';
import { cloudId, segment } from './ids.ts';
import { lacksRoute } from './outcome.ts';
import type { ApiAnswer, Requester } from './request.ts';
import type { CloudClient, FileRow } from './types.ts';

const PAGE_SIZE = 1000;

/** `jobId` is missing, or empty, on old servers (§2.7 F2). */
const bulkUrlAnswer = z
  .looseObject({ url, jobId: optionalText })
  .transform((answer) => ({ url: answer.url, jobId: answer.jobId === '' ? undefined : answer.jobId }));
const downloadUrlAnswer = z.looseObject({ downloadUrl: url }).transform((answer) => answer.downloadUrl);

/** §2.11. `cursor` may be a text or a number. */
const filePageAnswer = z
  .looseObject({
    files: anything,
    cursor: anything,
    hasMore: optionalFlag,
    totalNumber: optionalNumber,
  })
  .refine((answer) => Array.isArray(answer.files), { message: 'no list', path: ['files'] })
  .transform((answer) => ({
    rows: fileRows.parse(answer.files),
    cursor:
      typeof answer.cursor === 'string' || typeof answer.cursor === 'number'
        ? String(answer.cursor)
        : undefined,
    hasMore: answer.hasMore,
    totalNumber: answer.totalNumber,
  }));

export function createFiles(requester: Requester): CloudClient['files'] {
  // Which listing this server had last; a server that was changed meanwhile has the other one.
  let lastListing: 'keyset' | 'record' = 'keyset';

  const read = (
    path: readonly string[],
    what: string,
    query: Record<string, string | number>,
    signal?: AbortSignal,
  ) => requester.send({ method: 'GET', path, query, kind: 'read', auth: 'optional', what, signal });

  /**
   * Undefined when the server has no such route, as before §2.11; a dataset that is not there says so on the
   * other one, too.
   */
  async function firstPage(id: string, signal?: AbortSignal): Promise<ApiAnswer | undefined> {
    try {
      return await read(['datasets', id, 'files'], `list files of ${id}`, { limit: PAGE_SIZE }, signal);
    } catch (error) {
      if (lacksRoute(error)) return undefined;
      throw error;
    }
  }

  async function* list(datasetId: string, signal?: AbortSignal): AsyncGenerator<readonly FileRow[]> {
    const id = cloudId('dataset', datasetId);
    let rows = lastListing === 'record' ? await rowsOfRecord(id, signal) : undefined;
    if (rows === undefined) {
      const first = await firstPage(id, signal);
      if (first !== undefined) return yield* keyset(id, first, signal);
      rows = await rowsOfRecord(id, signal);
    }
    if (rows === undefined)
      throw new CourierError('NDI_E_BAD_ANSWER', {
        detail: `list files of ${id} (files: neither a listing nor a list in the record)`,
      });
    lastListing = 'record';
    for (let at = 0; at < rows.length; at += PAGE_SIZE) yield rows.slice(at, at + PAGE_SIZE);
  }

  async function* keyset(
    id: string,
    first: ApiAnswer,
    signal?: AbortSignal,
  ): AsyncGenerator<readonly FileRow[]> {
    let answer = first;
    let before: string | undefined;
    let seen = 0;
    while (true) {
      const page = readAs(answer, filePageAnswer);
      lastListing = 'keyset';
      seen += page.rows.length;
      if (page.rows.length > 0) yield page.rows;
      if (page.hasMore === false || (page.hasMore === undefined && page.rows.length === 0)) return;
      if (page.cursor === undefined || page.cursor === before) {
        // A cursor that stands still ends the listing (§2.11), unless it says itself that rows are missing:
        // a listing that is not complete must not pass for one that is.
        if (page.hasMore === true && seen < (page.totalNumber ?? 0))
          throw badAnswer(answer, `the listing stopped at ${seen} of ${page.totalNumber} files`);
        return;
      }
      before = page.cursor;
      const query = { limit: PAGE_SIZE, after: page.cursor };
      answer = await read(['datasets', id, 'files'], `list files of ${id}`, query, signal);
    }
  }

  async function rowsOfRecord(id: string, signal?: AbortSignal): Promise<readonly FileRow[] | undefined> {
    return readAs(await read(['datasets', id], `list files of ${id}`, {}, signal), datasetAnswer).files;
  }

  return {
    list,
    async uploadUrl(organizationId, datasetId, uid, signal) {
      const id = cloudId('dataset', datasetId);
      // The route for zips would answer instead (§2.7: `bulk` collides).
      if (uid === 'bulk')
        throw new CourierError('NDI_E_BAD_ID', { detail: 'A file cannot have the uid "bulk".' });
      const path = [
        'datasets',
        cloudId('organisation', organizationId),
        id,
        'files',
        segment('file uid', uid),
      ];
      return readAs(await ask(path, `address to send file ${uid} of ${id}`, signal), urlAnswer);
    },
    async bulkUploadUrl(organizationId, datasetId, signal) {
      const id = cloudId('dataset', datasetId);
      const path = ['datasets', cloudId('organisation', organizationId), id, 'files', 'bulk'];
      return readAs(await ask(path, `address to send files of ${id}`, signal), bulkUrlAnswer);
    },
    async downloadUrl(datasetId, uid, signal) {
      const id = cloudId('dataset', datasetId);
      const path = ['datasets', id, 'files', segment('file uid', uid), 'detail'];
      return readAs(await read(path, `address to fetch file ${uid} of ${id}`, {}, signal), downloadUrlAnswer);
    },
  };

  /** A GET that makes a job or a file row (§2.7 F1, F2): it counts as a write. */
  function ask(path: readonly string[], what: string, signal?: AbortSignal): Promise<ApiAnswer> {
    return requester.send({ method: 'GET', path, kind: 'write', what, signal });
  }
}
