/**
 * All file addresses of one document (NDI Cloud contract §2.11), by pages or by a job that makes one object
 * of them. Addresses are secrets until they expire: they are returned to the caller and named in no message.
 * A document is named by cloud id or NDI id.
 */
import { z } from 'zod';
import { CourierError } from '../../errors/index.ts';
import { isCloudId } from '../ids.ts';
import { optionalNumber, optionalText, readAs, url } from './answers.ts';
import { cloudId, segment } from './ids.ts';
import type { Requester } from './request.ts';

export interface SignedUrlSet {
  /** The document's cloud id. */
  readonly documentId: string | undefined;
  /** Files of the document in all. */
  readonly totalCount: number | undefined;
  /** By uid. */
  readonly urls: Readonly<Record<string, string>>;
  readonly expiresAt: string | undefined;
  /** Absent on the last page. */
  readonly nextCursor: string | undefined;
}

export interface SignedUrlJob {
  readonly jobId: string;
  readonly state: 'queued' | 'running' | 'ready' | 'failed';
  readonly signedCount: number | undefined;
  readonly totalCount: number | undefined;
  /** Once ready: gzipped JSON `{jobId, fileCount, generatedAt, files{uid:url}}`. */
  readonly resultUrl: string | undefined;
  readonly resultSizeBytes: number | undefined;
  readonly expiresAt: string | undefined;
  readonly filesExpireAt: string | undefined;
  readonly error: string | undefined;
}

export interface SignedUrlQuery {
  /** 1 to 1000; the cloud's own is 500. */
  readonly limit?: number | undefined;
  readonly cursor?: string | undefined;
  /** Members of this series alone: `name#`. */
  readonly fileSeries?: string | undefined;
}

export interface SignedUrlRoutes {
  page(
    datasetId: string,
    document: string,
    query?: SignedUrlQuery,
    signal?: AbortSignal,
  ): Promise<SignedUrlSet>;
  start(
    datasetId: string,
    document: string,
    query?: Pick<SignedUrlQuery, 'fileSeries'>,
    signal?: AbortSignal,
  ): Promise<{ readonly jobId: string; readonly pollAfterMs: number }>;
  job(jobId: string, signal?: AbortSignal): Promise<SignedUrlJob>;
}

const setAnswer = z
  .looseObject({
    documentId: optionalText,
    totalCount: optionalNumber,
    expiresAt: optionalText,
    nextCursor: optionalText,
    files: z.record(z.string(), url),
  })
  .transform(
    ({ documentId, totalCount, expiresAt, nextCursor, files }): SignedUrlSet => ({
      documentId,
      totalCount,
      expiresAt,
      nextCursor: nextCursor === '' ? undefined : nextCursor,
      urls: files,
    }),
  );

const DEFAULT_POLL_SECONDS = 1;
const startedAnswer = z
  .looseObject({ jobId: z.string().min(1), pollAfterSec: optionalNumber })
  .transform(({ jobId, pollAfterSec }) => ({
    jobId,
    pollAfterMs: (pollAfterSec ?? DEFAULT_POLL_SECONDS) * 1000,
  }));

const jobAnswer = z
  .looseObject({
    jobId: z.string().min(1),
    state: z.enum(['queued', 'running', 'ready', 'failed']),
    signedCount: optionalNumber,
    totalCount: optionalNumber,
    resultUrl: url.optional().catch(undefined),
    resultByteSize: optionalNumber,
    expiresAt: optionalText,
    filesExpireAt: optionalText,
    error: optionalText,
  })
  .transform(
    ({
      jobId,
      state,
      signedCount,
      totalCount,
      resultUrl,
      resultByteSize,
      expiresAt,
      filesExpireAt,
      error,
    }) => ({
      jobId,
      state,
      signedCount,
      totalCount,
      resultUrl,
      resultSizeBytes: resultByteSize,
      expiresAt,
      filesExpireAt,
      error,
    }),
  );

export function createSignedUrls(requester: Requester): SignedUrlRoutes {
  /** An id sent to the route of the other kind is a 404. */
  const pathOf = (datasetId: string, document: string): string[] => {
    const name = segment('document id', document);
    return ['datasets', cloudId('dataset', datasetId), isCloudId(name) ? 'documents' : 'ndi-documents', name];
  };
  return {
    async page(datasetId, document, query = {}, signal) {
      const { limit } = query;
      if (limit !== undefined && !(Number.isInteger(limit) && limit >= 1 && limit <= 1000))
        throw new CourierError('NDI_E_USAGE', { detail: `limit ${limit}: a page has 1 to 1000 addresses.` });
      const answer = await requester.send({
        method: 'GET',
        path: [...pathOf(datasetId, document), 'signed-url-set'],
        query: { ...query },
        kind: 'read',
        auth: 'optional',
        what: `file addresses of document ${document}`,
        signal,
      });
      return readAs(answer, setAnswer);
    },
    async start(datasetId, document, { fileSeries } = {}, signal) {
      const answer = await requester.send({
        method: 'POST',
        path: [...pathOf(datasetId, document), 'signed-url-set-jobs'],
        query: { fileSeries },
        json: {},
        kind: 'read',
        what: `sign file addresses of document ${document}`,
        signal,
      });
      return readAs(answer, startedAnswer);
    },
    async job(jobId, signal) {
      const path = ['signed-url-set-jobs', segment('job id', jobId)];
      const what = `signing job ${jobId}`;
      return readAs(await requester.send({ method: 'GET', path, kind: 'read', what, signal }), jobAnswer);
    },
  };
}
