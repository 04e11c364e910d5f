/**
 * Saves the history of a run for `test/replay`, when asked to: `RECORD_HISTORIES=1 npx vitest run test/runs`.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import type { WorkflowHandle } from '@temporalio/client';
import { historyToJSON } from '@temporalio/common/lib/proto-utils.js';
import type { Lab } from './lab.ts';

const folder = join(import.meta.dirname, '..', 'replay', 'histories');

/**
 * `name` says what happened in the run. What only this machine knows is replaced; replay does not look at it.
 */
export async function record(lab: Lab, handle: WorkflowHandle, name: string): Promise<void> {
  if (process.env.RECORD_HISTORIES !== '1') return;
  const anonymous = (text: string): string =>
    text.replaceAll(lab.dir, '/lab').replaceAll(process.cwd(), '/courier').replaceAll(hostname(), 'lab');
  const withoutMachine = (value: unknown): unknown => {
    if (typeof value === 'string') return anonymous(value);
    if (Array.isArray(value)) return value.map(withoutMachine);
    if (typeof value !== 'object' || value === null) return value;
    const members = Object.entries(value).map(([key, member]) => [
      key,
      // A payload's JSON is kept as base64.
      key === 'data' && typeof member === 'string' && 'metadata' in value
        ? Buffer.from(anonymous(Buffer.from(member, 'base64').toString())).toString('base64')
        : withoutMachine(member),
    ]);
    return Object.fromEntries(members);
  };
  const history: unknown = JSON.parse(historyToJSON(await handle.fetchHistory()));
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, `${name}.json`), `${JSON.stringify(withoutMachine(history))}\n`);
}
