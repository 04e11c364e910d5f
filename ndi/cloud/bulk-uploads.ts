/** Jobs that unpack a zip of files (NDI Cloud contract §2.8, J1 and J2). */
import { z } from 'zod';
import { CourierError } from '../../errors/index.ts';
import { anything, optionalNumber, readAs, requiredListOf } from './answers.ts';
import { cloudId, segment } from './ids.ts';
import type { Requester } from './request.ts';
import type { BulkUploadJob, CloudClient } from './types.ts';

const STATES = new Set(['active', 'all', 'queued', 'extracting', 'complete', 'failed']);

const jobAnswer = z
  .looseObject({
    jobId: z.string().min(1),
    state: z.enum(['queued', 'extracting', 'complete', 'failed']),
    filesExtracted: optionalNumber,
    totalFiles: optionalNumber,
    error: anything,
  })
  .transform(
    (job): BulkUploadJob => ({
      jobId: job.jobId,
      state: job.state,
      filesExtracted: job.filesExtracted ?? 0,
      totalFiles: job.totalFiles,
      error:
        typeof job.error === 'string' ? job.error : job.error == null ? undefined : JSON.stringify(job.error),
    }),
  );
const jobsAnswer = z.looseObject({ jobs: requiredListOf(jobAnswer) }).transform((answer) => answer.jobs);

export function createBulkUploads(requester: Requester): CloudClient['bulkUploads'] {
  return {
    async get(jobId, signal) {
      const path = ['bulk-uploads', segment('job id', jobId)];
      return readAs(
        await requester.send({ method: 'GET', path, kind: 'read', what: `upload job ${jobId}`, signal }),
        jobAnswer,
      );
    },
    async list(datasetId, state, signal) {
      if (!STATES.has(state))
        throw new CourierError('NDI_E_USAGE', {
          detail: `${JSON.stringify(state)} is not a state of upload jobs: use ${[...STATES].join(', ')}.`,
        });
      const id = cloudId('dataset', datasetId);
      const path = ['datasets', id, 'bulk-uploads'];
      const what = `upload jobs of ${id}`;
      return readAs(
        await requester.send({ method: 'GET', path, query: { state }, kind: 'read', what, signal }),
        jobsAnswer,
      );
    },
  };
}
