/** Saves the history of a run for `test/replay`, when asked to: `RECORD_HISTORIES=1 npx vitest run test/runs`. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { WorkflowHandle } from '@temporalio/client';
import { historyToJSON } from '@temporalio/common/lib/proto-utils.js';

const folder = join(import.meta.dirname, '..', 'replay', 'histories');

/** `name` says what happened in the run; the version of the program goes in front, so that old recordings stay. */
export async function record(handle: WorkflowHandle, name: string): Promise<void> {
  if (process.env.RECORD_HISTORIES !== '1') return;
  mkdirSync(folder, { recursive: true });
  const json = historyToJSON(await handle.fetchHistory());
  writeFileSync(join(folder, `${name}.json`), json);
}
