/**
 * Reads what a hostile cloud answers, in a process with the heap of a worker, and says what came of it and
 * how much memory it took. Its one argument is a `HostileCloud` as JSON.
 */
import { readFileSync } from 'node:fs';
import type { RunScope } from '../../activities/deps.ts';
import { takeZip } from '../../activities/shared/bodies.ts';
import { isCourierError } from '../../errors/index.ts';
import { createCloudClient } from '../../ndi/cloud/index.ts';
import { canonicalHash } from '../../ndi/document/canonical.ts';
import { parseDocument } from '../../ndi/document/codec.ts';
import { DEFAULT_TUNING } from '../../workflows/contracts/index.ts';

export interface HostileCloud {
  readonly ask: 'page' | 'fetch' | 'zip';
  readonly apiUrl: string;
  readonly scratchDir: string;
}

export interface Survived {
  /** Code of the error that it ended with. */
  readonly code: string | undefined;
  /** Documents that were read, and codes of those that were not. */
  readonly documents: number;
  readonly refused: readonly string[];
  readonly peakMiB: number;
}

const ID = 'a'.repeat(24);

async function main({ ask, apiUrl, scratchDir }: HostileCloud): Promise<void> {
  const tokens = { get: async () => 'token', invalidate: () => {}, describe: () => 'a test' };
  const cloud = createCloudClient({ baseUrl: apiUrl, tokens });
  const refused: string[] = [];
  let documents = 0;
  const take = (text: string): void => {
    try {
      canonicalHash(parseDocument(text));
      documents += 1;
    } catch (error) {
      if (!isCourierError(error)) throw error;
      refused.push(error.code);
    }
  };
  const scope = {
    cloud,
    ref: { cloudDatasetId: ID, runKey: 'run' },
    signal: new AbortController().signal,
    attempt: 1,
    deps: { scratchDir, throttle: { take: async () => {} } },
    tuning: { ...DEFAULT_TUNING },
    heartbeat: () => {},
  } as unknown as RunScope;
  let failure: unknown;
  try {
    if (ask === 'page') await cloud.documents.list(ID, { page: 1, pageSize: 1000 });
    else if (ask === 'fetch') for (const { text } of await cloud.documents.bulkFetch(ID, [ID])) take(text);
    else failure = await takeZip(scope, { name: 'zip', cloudIds: [ID] }, take);
  } catch (error) {
    failure = error;
  }
  const code = isCourierError(failure) ? failure.code : failure === undefined ? undefined : String(failure);
  const peakMiB = Math.round(peakKiB() / 1024);
  process.stdout.write(JSON.stringify({ code, documents, refused, peakMiB } satisfies Survived));
  process.exit(0);
}

/**
 * By Linux, which counts from the start of this program; `maxRSS` is also that of the process that started
 * it.
 */
const peakKiB = (): number =>
  process.platform === 'linux'
    ? Number(/VmHWM:\s+(\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))?.[1])
    : process.memoryUsage.rss() / 1024;

await main(JSON.parse(process.argv[2]!) as HostileCloud);
