/**
 * Power fails: supervisor, Temporal server and worker are gone at the same moment, amid a transfer. `up`
 * starts them again, nobody starts the run again, and the end is as if nothing had happened.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { compareDatasets } from '../../ndi/dataset/compare.ts';
import type { FaultSpec } from '../../sandbox/server.ts';
import { createHarness, type Harness } from '../cli/harness.ts';

let cli: Harness;
beforeAll(async () => {
  cli = await createHarness();
});
afterAll(() => cli?.close());

function killEverything(): void {
  const service = JSON.parse(readFileSync(join(cli.env.COURIER_HOME!, 'service.json'), 'utf8')) as {
    supervisorPid: number;
    serverPid: number;
    workerPids: number[];
  };
  for (const pid of [service.supervisorPid, service.serverPid, ...service.workerPids]) {
    process.kill(pid, 'SIGKILL');
  }
}

/** Starts a transfer, lets the power fail while its third PUT or GET is on the way, and waits for its end. */
async function throughPowerFailure(
  args: readonly string[],
  slow: FaultSpec,
): Promise<Record<string, unknown>> {
  const { faults } = cli.sandbox;
  faults.set(slow);
  const started = await cli.run([...args, '--window', '1', '--no-wait', '--json']);
  expect(started.code, started.stderr).toBe(0);
  const { workflowId, runId } = started.json();
  await expect
    .poll(() => faults.list()[0]!.fired, { timeout: 20_000, interval: 20 })
    .toBeGreaterThanOrEqual(3);
  killEverything();
  expect((await cli.run(['status', '--json'])).json()).toMatchObject({ running: false, workerPids: [] });
  faults.clear();
  const up = await cli.run(['up', '--json']);
  expect(up.code, up.stderr).toBe(0);
  const ended = await cli.run(['runs', 'watch', workflowId, '--json']);
  expect(ended.code, ended.stderr).toBe(0);
  expect(ended.json()).toMatchObject({ workflowId, runId, status: 'done', problems: [] });
  return ended.json();
}

describe('a service that starts again', () => {
  it('an upload and a download go on when everything was killed', { timeout: 120_000 }, async () => {
    const dir = await cli.dataset({ documents: 200, files: 8, fileBytes: 300_000 });
    const upload = ['upload', dir, '--new', 'Power', '--strategy', 'serial'];
    const up = await throughPowerFailure(upload, {
      route: 'PUT object',
      kind: 'latency',
      params: { ms: 500 },
    });
    const target = cli.path('target');
    await throughPowerFailure(['download', String(up.datasetId), target], {
      route: 'GET object',
      kind: 'latency',
      params: { ms: 500 },
    });
    expect(await compareDatasets(dir, target)).toMatchObject({ equal: true });
    const again = await cli.run(['upload', dir, '--json']);
    expect(again.json()).toMatchObject({ datasetId: up.datasetId, bytes: 0, documents: { transferred: 0 } });
  });
});
