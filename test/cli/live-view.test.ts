/** The view of a run that goes on tells the truth: the parts that a run needs are stopped and come back. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { mountSmallDisk, whyNoSmallDisk } from '../support/small-disk.ts';
import { createHarness, type Harness, type RunningCommand } from './harness.ts';

const MAIN = fileURLToPath(new URL('../../client/cli/main.ts', import.meta.url));

/** A person waits no longer than this for the truth. */
const TRUTH_MS = 5_000;

let cli: Harness;
let stderr = '';

const server = (): number =>
  JSON.parse(readFileSync(join(cli.dir, 'home', 'service.json'), 'utf8')).serverPid as number;

/** The last line of the view. */
const shown = (): string => stderr.trimEnd().split('\n').at(-1) ?? '';

const isShown = (what: string, timeout = TRUTH_MS) =>
  expect.poll(shown, { timeout, interval: 50 }).toMatch(what);
const isNotShown = (what: string, timeout = TRUTH_MS) =>
  expect.poll(shown, { timeout, interval: 50 }).not.toMatch(what);

const uploadNow = async (): Promise<RunningCommand> => {
  const upload = cli.start(['upload', await cli.dataset(), '--new', 'Watched']);
  stderr = '';
  upload.child.stderr?.on('data', (text: string) => {
    stderr += text;
  });
  return upload;
};

const uploadThatHangs = async (): Promise<RunningCommand> => {
  cli.sandbox.faults.set({ route: 'PUT object', kind: 'latency', params: { ms: 60_000 } });
  const upload = await uploadNow();
  await upload.says('Sending files');
  return upload;
};

beforeAll(async () => {
  cli = await createHarness();
  expect((await cli.run(['up'])).code).toBe(0);
});
afterAll(() => cli?.close());

describe('the live view', () => {
  it('says that the cloud is gone, and no more once it is back', async () => {
    const upload = await uploadThatHangs();
    await cli.restartSandbox(() => isShown('trying again: The connection broke'));
    const { code, stdout } = await upload.finished;
    expect(code).toBe(0);
    expect(stdout).toContain('The upload is done');
  });

  it('says that the cloud refuses to answer while a request is repeated within its step', async () => {
    const fault = cli.sandbox.faults.set({
      route: 'GET /datasets/:datasetId/documents',
      kind: '5xx',
      params: { status: 503 },
    });
    const upload = await uploadNow();
    await upload.says('Run upload/');
    await isShown('trying again: NDI Cloud did not answer properly');
    cli.sandbox.faults.clear(fault);
    // The pause before the next request is up to 15 s by then, and nothing ends it sooner.
    await isNotShown('trying again', 60_000);
    expect((await upload.finished).code).toBe(0);
  });
});

const noDisk = whyNoSmallDisk();
if (noDisk !== undefined) console.warn(`The live view of a full disk is left out: ${noDisk}.`);

describe.skipIf(noDisk !== undefined)('the live view of a run on a full disk', () => {
  it('says so, and no more once there is room', async () => {
    const uploaded = await cli.run(['upload', await cli.dataset(), '--new', 'Small disk', '--json']);
    expect(uploaded.code).toBe(0);
    const disk = mountSmallDisk(join(cli.dir, 'small'), '4m');
    try {
      const { datasetId } = uploaded.json();
      // Without a terminal, a command lets go of a run that waits for a person.
      const command = [process.execPath, MAIN, 'download', datasetId, join(disk.dir, 'target')];
      const download = spawn('script', ['-qefc', command.join(' '), '/dev/null'], {
        env: cli.env,
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      const ended = once(download, 'exit');
      stderr = '';
      download.stdout.on('data', (text: string) => {
        stderr += text;
      });
      await isShown('waiting: The disk is full');
      disk.resize('100m');
      await isNotShown('The disk is full');
      expect(await ended).toEqual([0, null]);
    } finally {
      disk.unmount();
    }
  });
});

describe('the live view of a run whose server goes', () => {
  let upload: RunningCommand;
  beforeAll(async () => {
    upload = await uploadThatHangs();
  });

  const away = 'waiting: The Temporal server does not answer';

  it('says that the server hangs, and no more once it goes on', async () => {
    const pid = server();
    process.kill(pid, 'SIGSTOP');
    try {
      await isShown(away);
    } finally {
      process.kill(pid, 'SIGCONT');
    }
    await isNotShown(away);
  });

  it('says that the service was stopped, and no more once it is up again', async () => {
    expect((await cli.run(['down'])).code).toBe(0);
    await isShown(away);
    expect((await cli.run(['up'])).code).toBe(0);
    await isNotShown(away);
  });

  it('is left by Ctrl-C at once, also while the server hangs', async () => {
    const pid = server();
    process.kill(pid, 'SIGSTOP');
    try {
      await isShown(away);
      const askedAtMs = performance.now();
      upload.child.kill('SIGINT');
      await upload.says('The run goes on without this terminal.');
      expect(performance.now() - askedAtMs).toBeLessThan(500);
      expect((await upload.finished).code).toBe(130);
      expect(performance.now() - askedAtMs).toBeLessThan(2_000);
    } finally {
      process.kill(pid, 'SIGCONT');
    }
  });
});
