/** What a refused run left behind: its error, and whether anything changed on either side. */
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { WorkflowFailedError, type WorkflowHandle } from '@temporalio/client';
import type { FailureInfo } from '../../workflows/contracts/index.ts';
import { failureInfo } from '../../workflows/run/park.ts';
import type { Lab } from './lab.ts';

/** Waits for the run to fail; why it did, in its own words. */
export async function refusalOf(handle: WorkflowHandle): Promise<FailureInfo> {
  const error = await handle.result().then(
    () => new Error('The run was not refused.'),
    (reason: unknown) => reason,
  );
  const info = error instanceof WorkflowFailedError ? failureInfo(error.cause) : undefined;
  if (info === undefined) throw error;
  return info;
}

/**
 * Content of everything below a folder, our own records aside: equal before and after means that nothing was
 * changed.
 */
export function contentOf(dir: string): string[] {
  if (!existsSync(dir)) return ['absent'];
  if (!statSync(dir).isDirectory()) return [`file ${hash(readFileSync(dir))}`];
  return (readdirSync(dir, { recursive: true }) as string[])
    .filter((name) => !name.startsWith(join('.ndi', 'courier')))
    .sort()
    .map((name) => {
      const path = join(dir, name);
      return statSync(path).isFile() ? `${name} ${hash(readFileSync(path))}` : name;
    });
}

/** All that the cloud keeps about datasets, documents, files and objects, as one hash. */
export function cloudContent(lab: Lab): string {
  const database = new DatabaseSync(join(lab.dir, 'cloud', 'cloud.sqlite'), { readOnly: true });
  const all = createHash('sha256');
  for (const table of ['datasets', 'documents', 'bodies', 'files', 'jobs', 'objects']) {
    for (const row of database.prepare(`SELECT * FROM ${table}`).iterate()) all.update(JSON.stringify(row));
  }
  database.close();
  return all.digest('hex');
}

const hash = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');
