/**
 * Jobs that move the files of documents between storage tiers (NDI Cloud contract §2.11). A file in a cold
 * one cannot be read.
 */
import { z } from 'zod';
import { listOf, optionalNumber, optionalText, readAs } from './answers.ts';
import { cloudId, segment } from './ids.ts';
import type { Requester } from './request.ts';

export const FILE_TIERS = ['STANDARD', 'STANDARD_IA', 'GLACIER_IR', 'GLACIER', 'DEEP_ARCHIVE'] as const;
export type FileTier = (typeof FILE_TIERS)[number];

export interface StartedTierJob {
  readonly jobId: string;
  readonly fileCount: number | undefined;
  readonly resolvedDocumentCount: number | undefined;
  /** Documents that were not named and share a file with one that was. */
  readonly collateralDocumentIds: readonly string[];
}

export interface TierJob {
  readonly jobId: string;
  /** Ends as `completed`, `failed` or `superseded`; the words before that are not all known. */
  readonly state: string;
  readonly filesDone: number | undefined;
  readonly filesFailed: number | undefined;
  readonly errors: readonly string[];
  readonly raw: Readonly<Record<string, unknown>>;
}

export interface FileTierRoutes {
  /** `documents` by cloud id or NDI id. */
  start(
    datasetId: string,
    targetTier: FileTier,
    documents: readonly string[],
    signal?: AbortSignal,
  ): Promise<StartedTierJob>;
  job(jobId: string, signal?: AbortSignal): Promise<TierJob>;
}

const startedAnswer = z
  .looseObject({
    jobId: z.string().min(1),
    fileCount: optionalNumber,
    resolvedDocumentCount: optionalNumber,
    collateralDocumentIds: listOf(z.string()),
  })
  .transform(
    ({ jobId, fileCount, resolvedDocumentCount, collateralDocumentIds }): StartedTierJob => ({
      jobId,
      fileCount,
      resolvedDocumentCount,
      collateralDocumentIds,
    }),
  );

const asText = z.unknown().transform((value) => (typeof value === 'string' ? value : JSON.stringify(value)));
const jobAnswer = z
  .looseObject({
    jobId: optionalText,
    state: z.string().min(1),
    filesDone: optionalNumber,
    filesFailed: optionalNumber,
    errors: listOf(asText),
  })
  .transform(({ jobId, state, filesDone, filesFailed, errors, ...rest }) => ({
    jobId,
    state,
    filesDone,
    filesFailed,
    errors,
    raw: rest as Record<string, unknown>,
  }));

export function createFileTiers(requester: Requester): FileTierRoutes {
  return {
    async start(datasetId, targetTier, documents, signal) {
      const id = cloudId('dataset', datasetId);
      const documentSelectors = documents.map((document) => ({ id: segment('document id', document) }));
      const answer = await requester.send({
        method: 'POST',
        path: ['datasets', id, 'file-tier-jobs'],
        json: { targetTier, documentSelectors },
        kind: 'write',
        what: `move files of ${id} to ${targetTier}`,
        signal,
      });
      return readAs(answer, startedAnswer);
    },
    async job(jobId, signal) {
      const path = ['file-tier-jobs', segment('job id', jobId)];
      const what = `file tier job ${jobId}`;
      const answer = await requester.send({ method: 'GET', path, kind: 'read', what, signal });
      return { ...readAs(answer, jobAnswer), jobId };
    },
  };
}
