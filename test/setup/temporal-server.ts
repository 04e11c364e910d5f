/**
 * One embedded Temporal server for a whole test run, in a folder of its own. A test file asks for it with
 * `inject('temporalAddress')`; workflow ids and queues must be its own. On a machine that never had the
 * Temporal CLI, this makes one first, which may take minutes and says so.
 */
import { globSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestProject } from 'vitest/node';
import { startTemporalServer, stopOrphanedServer } from '../../workers/server.ts';
import { findTemporalCli } from '../../workers/temporal-cli/find.ts';
import { SEARCH_ATTRIBUTES } from '../../workflows/contracts/index.ts';

declare module 'vitest' {
  interface ProvidedContext {
    /** `ip:port` of the shared server. */
    temporalAddress: string;
    temporalNamespace: string;
    /** The `temporal` executable, for tests that need a server to themselves. */
    temporalCliPath: string;
  }
}

const PREFIX = 'courier-test-server-';
/** Younger folders may belong to a run that is just starting. */
const LEFT_BEHIND_AFTER_MS = 60_000;

/** What a run that was killed left behind; the servers of runs that live are in use and stay. */
async function tidy(log: (line: string) => void): Promise<void> {
  for (const name of globSync(`${PREFIX}*`, { cwd: tmpdir() })) {
    const old = join(tmpdir(), name);
    const age = Date.now() - (statSync(old, { throwIfNoEntry: false })?.mtimeMs ?? Date.now());
    if (age < LEFT_BEHIND_AFTER_MS) continue;
    try {
      await stopOrphanedServer(join(old, 'temporal.sqlite'), log);
      rmSync(old, { recursive: true, force: true });
    } catch {
      // In use, or somebody else's.
    }
  }
}

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const log = (line: string) => console.log(`[setup] ${line}`);
  await tidy(log);
  const cli = await findTemporalCli({ log });
  const dir = mkdtempSync(join(tmpdir(), PREFIX));
  const dbFile = join(dir, 'temporal.sqlite');
  const server = await startTemporalServer({
    cliPath: cli.path,
    dbFile,
    searchAttributes: SEARCH_ATTRIBUTES,
    log,
  }).catch((error: unknown) => {
    rmSync(dir, { recursive: true, force: true });
    throw error;
  });
  project.provide('temporalAddress', server.address);
  project.provide('temporalNamespace', server.namespace);
  project.provide('temporalCliPath', cli.path);
  return async () => {
    // Nobody looks at its runs any more.
    await server.stop(0);
    rmSync(dir, { recursive: true, force: true });
  };
}
