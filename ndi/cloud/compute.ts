/**
 * Compute sessions (NDI Cloud contract §2.9). Of their records only an id and a status word are known; the
 * rest is handed on. A missing MATLAB licence is NDI_E_BAD_REQUEST with the cloud's code
 * `MATLAB_LICENSE_REQUIRED` in its words.
 */
import { z } from 'zod';
import { listOf, optionalText, readAs } from './answers.ts';
import { segment } from './ids.ts';
import type { ApiAnswer, ApiCall, Requester } from './request.ts';

export interface ComputeSession {
  readonly sessionId: string;
  readonly pipelineId: string | undefined;
  /** `RUNNING`, `COMPLETED`, `FAILED` or `ABORTED`, as far as is known. */
  readonly status: string | undefined;
  readonly raw: Readonly<Record<string, unknown>>;
}

export interface ComputeRoutes {
  start(pipelineId: string, inputParameters?: object, signal?: AbortSignal): Promise<ComputeSession>;
  list(signal?: AbortSignal): Promise<readonly ComputeSession[]>;
  get(sessionId: string, signal?: AbortSignal): Promise<ComputeSession>;
  abort(sessionId: string, signal?: AbortSignal): Promise<void>;
  runStage(sessionId: string, stageId: string, signal?: AbortSignal): Promise<void>;
  /** Ends the stage that runs and goes on with the next. */
  advance(sessionId: string, signal?: AbortSignal): Promise<void>;
}

const session = z.record(z.string(), z.unknown()).transform((raw, context): ComputeSession => {
  const sessionId = [raw.sessionId, raw.id, raw._id].find((id) => typeof id === 'string' && id !== '');
  if (typeof sessionId === 'string') {
    const { pipelineId, status } = raw;
    return { sessionId, pipelineId: optionalText.parse(pipelineId), status: optionalText.parse(status), raw };
  }
  context.addIssue({ code: 'custom', message: 'no id', path: ['sessionId'] });
  return z.NEVER;
});

/** A list, or `{sessions}`. */
const sessions = z.union([
  z.array(session),
  z.looseObject({ sessions: listOf(session) }).transform((answer) => answer.sessions),
]);

export function createCompute(requester: Requester): ComputeRoutes {
  const send = (
    method: ApiCall['method'],
    path: readonly string[],
    what: string,
    more: Pick<ApiCall, 'json' | 'signal'>,
  ): Promise<ApiAnswer> =>
    requester.send({ method, path: ['compute', ...path], what, kind: 'account', ...more });
  const one = (id: string): string => segment('session id', id);
  return {
    async start(pipelineId, inputParameters, signal) {
      const json = { pipelineId, inputParameters };
      return readAs(await send('POST', ['start'], `start pipeline ${pipelineId}`, { json, signal }), session);
    },
    list: async (signal) => readAs(await send('GET', [], 'list compute sessions', { signal }), sessions),
    get: async (id, signal) =>
      readAs(await send('GET', [one(id)], `compute session ${id}`, { signal }), session),
    async abort(id, signal) {
      await send('DELETE', [one(id)], `abort compute session ${id}`, { signal });
    },
    async runStage(id, stageId, signal) {
      const path = [one(id), 'stage', segment('stage id', stageId)];
      await send('POST', path, `stage ${stageId} of compute session ${id}`, { signal });
    },
    async advance(id, signal) {
      await send('POST', [one(id), 'advance'], `advance compute session ${id}`, { signal });
    },
  };
}
