/**
 * Planning at the size of ten of the largest published datasets: `node bench/planning.ts [--documents N]
 * [--files N] [--dir DIR]`.
 *
 * One process plans an upload with the code, the heap limits and the ledger of a worker; nothing is sent, so
 * the cloud's lists are empty. The other reads the same database, parses each document, hashes its text and
 * looks at its files, and keeps nothing.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import type { WorkflowClient } from '@temporalio/client';
import { LEASE_TTL_MS } from '../activities/shared/lease.ts';
import { inScope } from '../activities/step.ts';
import { planForNothing } from '../activities/upload/plan.ts';
import { textHashOf } from '../activities/upload/plan-documents.ts';
import { openDataset } from '../ndi/dataset/read.ts';
import { parseDocument } from '../ndi/document/codec.ts';
import { describeDocument } from '../ndi/document/describe.ts';
import { makeDataset } from '../ndi/synthetic/dataset.ts';
import { composeSite } from '../workers/composition.ts';
import { ensureHome, homeAt } from '../workers/home.ts';
import { HEAP_LIMITS } from '../workers/worker-process.ts';
import { DEFAULT_TUNING, type UploadInput } from '../workflows/contracts/index.ts';
import type { RunRef } from '../workflows/steps.ts';

const { values } = parseArgs({
  options: {
    documents: { type: 'string', default: '1000000' },
    files: { type: 'string', default: '100000' },
    dir: { type: 'string' },
    part: { type: 'string' },
  },
});

interface Measured {
  readonly seconds: number;
  readonly cpuSeconds: number;
  readonly peakMiB: number;
  readonly documents: number;
  readonly files: number;
  readonly ledgerMiB: number;
}

async function plan(dir: string): Promise<Pick<Measured, 'documents' | 'files' | 'ledgerMiB'>> {
  const homeDir = mkdtempSync(join(tmpdir(), 'courier-planning-'));
  // No run of another service is asked for: the lease is free.
  const workflows = {} as WorkflowClient;
  const site = composeSite({ home: ensureHome(homeAt(homeDir)), env: {}, workflows, holder: 'bench' });
  const cloud = { baseUrl: 'http://127.0.0.1:9/v1', profile: null, organizationId: null };
  const ledgerPath = join(homeDir, 'ledger.sqlite');
  const names = { runKey: 'planning', workflowId: 'upload/planning' };
  const ref: RunRef = {
    ...names,
    ledgerPath,
    cloud,
    cloudDatasetId: '',
    organizationId: '',
    tuning: DEFAULT_TUNING,
  };
  const input: UploadInput = {
    site: 'bench',
    cloud,
    datasetDir: dir,
    datasetId: ndiDatasetIdOf(dir),
    target: { kind: 'as-new', name: null },
    strategy: 'zip',
    metadataPath: null,
    tuning: DEFAULT_TUNING,
  };
  const context = { signal: new AbortController().signal, attempt: 1, heartbeat: () => {} };
  const ledger = site.deps.ledgers.open(ledgerPath);
  ledger.lease.acquire({ ...names, holder: 'bench', ttlMs: LEASE_TTL_MS });
  try {
    return await inScope(site.deps, context, ref, async (scope) => {
      await planForNothing(scope, input);
      const { documents, files } = scope.ledger.plan.totals();
      const ledgerMiB = Math.round(statSync(ledgerPath).size / 2 ** 20);
      return { documents: documents.total, files: files.total, ledgerMiB };
    });
  } finally {
    await site.close();
    rmSync(homeDir, { recursive: true, force: true });
  }
}

function ndiDatasetIdOf(dir: string): string {
  const reader = openDataset(dir);
  reader.close();
  return reader.identity.datasetId;
}

function readOnly(dir: string): Pick<Measured, 'documents' | 'files' | 'ledgerMiB'> {
  const reader = openDataset(dir, { allowAmbiguousId: true });
  let documents = 0;
  let files = 0;
  for (const { text } of reader.documents()) {
    const facts = describeDocument(parseDocument(text));
    if (textHashOf(text) !== '') documents += 1;
    files += reader.files(facts).length;
  }
  reader.close();
  return { documents, files, ledgerMiB: 0 };
}

async function measure(part: string, dir: string): Promise<Measured> {
  const startedMs = performance.now();
  const found = part === 'plan' ? await plan(dir) : readOnly(dir);
  const { user, system } = process.cpuUsage();
  return {
    seconds: (performance.now() - startedMs) / 1000,
    cpuSeconds: (user + system) / 1e6,
    peakMiB: Math.round(process.resourceUsage().maxRSS / 1024),
    ...found,
  };
}

function inProcess(part: string, dir: string): Measured {
  const script = fileURLToPath(import.meta.url);
  const args = [...HEAP_LIMITS, script, '--part', part, '--dir', dir];
  return JSON.parse(execFileSync(process.execPath, args, { encoding: 'utf8' })) as Measured;
}

async function main(): Promise<void> {
  if (values.part !== undefined) {
    process.stdout.write(JSON.stringify(await measure(values.part, values.dir as string)));
    return;
  }
  const dir = values.dir ?? join(mkdtempSync(join(tmpdir(), 'courier-planning-')), 'dataset');
  if (!existsSync(dir)) {
    const [documents, files] = [Number(values.documents), Number(values.files)];
    console.log(`Making ${documents} documents and ${files} files in ${dir}`);
    await makeDataset(dir, { documents, files, fileBytes: 16, seed: 4, style: 'python' });
  }
  try {
    for (let round = 1; round <= 3; round += 1) {
      const [planned, read] = [inProcess('plan', dir), inProcess('read', dir)];
      const ratio = (read.seconds / planned.seconds).toFixed(2);
      console.log(
        `${planned.documents} documents, ${planned.files} files: planned in ${planned.seconds.toFixed(1)} s ` +
          `(${planned.cpuSeconds.toFixed(1)} s CPU, peak ${planned.peakMiB} MiB, ledger ${planned.ledgerMiB} MiB); ` +
          `read only ${read.seconds.toFixed(1)} s (peak ${read.peakMiB} MiB); ratio ${ratio}`,
      );
    }
  } finally {
    if (values.dir === undefined) rmSync(join(dir, '..'), { recursive: true, force: true });
  }
}

await main();
