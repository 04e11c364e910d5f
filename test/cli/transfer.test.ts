/** Uploads, downloads and runs from the command line, with the service that `upload` starts by itself. */
import { existsSync, readdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { compareDatasets } from '../../ndi/dataset/compare.ts';
import { createHarness, type Harness } from './harness.ts';

let cli: Harness;
let uploaded: { dir: string; id: string };

beforeAll(async () => {
  cli = await createHarness();
});
afterAll(() => cli.close());
afterEach(() => cli.sandbox.faults.clear());

/** Bytes trickle, so that there is time to look. */
const slow = (): void => {
  cli.sandbox.faults.set({ route: 'PUT object', kind: 'latency', params: { ms: 60_000 } });
};

describe('upload', () => {
  it('starts the service when it is not running, says so, and ends with one JSON object', async () => {
    const dir = await cli.dataset();
    const { code, stderr, stdout, json } = await cli.run([
      'upload',
      dir,
      '--new',
      'First',
      '--wait',
      '--json',
    ]);
    expect(code, stderr).toBe(0);
    expect(stderr).toContain('Starting ndi-courier in the background');
    expect(stderr).toMatch(/http:\/\/127\.0\.0\.1:\d+\/namespaces\/courier\/workflows\/upload%2F/);
    const result = json();
    expect(result).toMatchObject({
      workflowId: expect.stringMatching(/^upload\//),
      runId: expect.any(String),
      status: 'done',
      datasetId: expect.stringMatching(/^[0-9a-f]{24}$/),
      files: { total: 6, transferred: 6, skipped: 0, failed: 0 },
      documents: { skipped: 0, failed: 0 },
      bytes: expect.any(Number),
      problems: [],
      problemCount: 0,
      directory: dir,
    });
    expect(result.documents.total).toBe(result.documents.transferred);
    for (const line of stdout.trim().split('\n').slice(0, -1)) {
      expect(JSON.parse(line)).toMatchObject({ event: 'progress', workflowId: result.workflowId });
    }
    uploaded = { dir, id: result.datasetId };
  });

  it('does only what is missing when it is done again', async () => {
    const { code, json, stderr } = await cli.run(['upload', uploaded.dir, '--new', 'Another', '--json']);
    expect(code).toBe(0);
    // The link counts, and people are told.
    expect(stderr).toContain('--new is not used');
    const again = json();
    expect(again).toMatchObject({
      status: 'done',
      datasetId: uploaded.id,
      files: { transferred: 0, skipped: 6 },
    });
    expect(again.documents.skipped).toBe(again.documents.total);
  });

  it('reads well for people', async () => {
    const { code, stdout } = await cli.run(['upload', uploaded.dir]);
    expect(code).toBe(0);
    expect(stdout).toContain('The upload is done: nothing had to be moved.');
    expect(stdout).toContain(uploaded.id);
  });

  it('ends with a line of the total', async () => {
    const { stdout } = await cli.run(['upload', await cli.dataset(), '--new', 'Total']);
    expect(stdout).toMatch(
      /\nTotal: 61 documents, 6 files, [\d.]+ kB in \d+ s, [\d.]+ k?B\/s on average\.\n$/,
    );
  });

  it('ends with 3 and names what it could not take along', async () => {
    const dir = await cli.dataset();
    const files = join(dir, '.ndi', 'files');
    const uid = readdirSync(files).find((name) => /^[0-9a-f]{16}_[0-9a-f]{16}$/.test(name))!;
    // Both names of the binary.
    for (const name of readdirSync(files)) {
      if (sameFile(join(files, name), join(files, uid)) && name !== uid) rmSync(join(files, name));
    }
    rmSync(join(files, uid));
    const { code, json, stderr } = await cli.run(['upload', dir, '--new', 'Leftovers', '--json']);
    expect(code, stderr).toBe(3);
    expect(json()).toMatchObject({
      status: 'done-with-leftovers',
      files: { failed: 1 },
      problemCount: 1,
      problems: [{ kind: 'file', id: uid, code: 'NDI_E_FILE_MISSING' }],
    });
    const story = await cli.run(['runs', 'show', json().workflowId]);
    expect(story.stdout).toMatch(/done, but 1 item could not be taken along/);
    expect(story.stdout).toMatch(new RegExp(`file ${uid}: .*NDI_E_FILE_MISSING`));
    // Without a server that knows it.
    const forgotten = await cli.run(['runs', 'show', dir], { env: { COURIER_HOME: cli.path('elsewhere') } });
    expect(forgotten.code, forgotten.stderr).toBe(0);
    expect(forgotten.stdout).toContain(json().workflowId);
    expect(forgotten.stdout).toMatch(new RegExp(`file ${uid}: .*NDI_E_FILE_MISSING`));
  });
});

describe('download', () => {
  it('brings back what went up, byte for byte', async () => {
    const target = cli.path('down');
    const { code, json, stderr } = await cli.run(['download', uploaded.id, target, '--wait', '--json']);
    expect(code, stderr).toBe(0);
    expect(json()).toMatchObject({ status: 'done', datasetId: uploaded.id, directory: target, problems: [] });
    const comparison = await compareDatasets(uploaded.dir, target, { ignoreClasses: ['dataset_remote'] });
    expect(comparison).toMatchObject({ equal: true, sameFiles: 6 });
  });

  it('makes a folder named by the id where none is given, and leaves it as it is the second time', async () => {
    const first = await cli.run(['download', uploaded.id, '--json']);
    expect(first.json().directory).toBe(cli.path(uploaded.id));
    const second = await cli.run(['download', uploaded.id, '--json']);
    expect(second.json()).toMatchObject({ status: 'done', bytes: 0, files: { transferred: 0 } });
    const { code, stdout } = await cli.run(['download', uploaded.id]);
    expect(code).toBe(0);
    expect(stdout).not.toContain('report');
  });

  it('says in JSON what it refuses, with 1, and with 2 what it does not understand', async () => {
    const unknown = await cli.run(['download', 'f'.repeat(24), cli.path('nowhere'), '--json']);
    expect(unknown.code).toBe(1);
    expect(unknown.json()).toEqual({
      status: 'failed',
      error: {
        code: 'NDI_E_NOT_FOUND',
        message: expect.stringContaining('NDI Cloud does not have this'),
        nextStep: expect.any(String),
        requestId: expect.any(String),
      },
    });
    expect(existsSync(cli.path('nowhere'))).toBe(false);
    const usage = await cli.run(['download', uploaded.id, '--mode', 'magic', '--json']);
    expect(usage.code).toBe(2);
    expect(usage.json().error).toMatchObject({
      code: 'NDI_E_USAGE',
      message: expect.stringContaining('--mode'),
    });
    expect((await cli.run(['download'])).code).toBe(2);
  });
});

describe('runs', () => {
  it('start without waiting, are listed, shown and watched to their end', async () => {
    const dir = await cli.dataset();
    const started = await cli.run(['upload', dir, '--new', 'Later', '--no-wait', '--json']);
    expect(started.code).toBe(0);
    const { workflowId, runId } = started.json();
    expect(started.json().status).toBe('running');
    const watched = await cli.run(['runs', 'watch', workflowId, '--json']);
    expect(watched.code).toBe(0);
    expect(watched.json()).toMatchObject({ workflowId, runId, status: 'done' });

    const { runs } = (await cli.run(['runs', 'list', '--json'])).json();
    expect(runs[0]).toMatchObject({ workflowId, operation: 'upload', status: 'done', directory: dir });
    expect(runs[0]).toMatchObject({ cloudName: 'Later', bytes: watched.json().bytes });
    // By a part of its id.
    const part = workflowId.slice(7, 24);
    const shown = await cli.run(['runs', 'show', part, '--json']);
    expect(shown.json()).toMatchObject({
      workflowId,
      summary: expect.stringMatching(/^Upload /),
      status: 'done',
    });
    const text = await cli.run(['runs', 'list']);
    expect(text.stdout).toMatch(/STARTED +WHAT +STATE +SIZE +DATASET +CLOUD NAME +CLOUD ID +FOLDER +RUN/);
    expect(text.stdout).toMatch(/ ago +upload +done +\d+ kB .* Later +[0-9a-f]{24} /);
    const page = (await cli.run(['runs', 'show', runId])).stdout;
    expect(page).toMatch(/The upload is done/);
    expect(page).toMatch(/mean pace +\d.*\/s/);
    expect(page).toMatch(/report +\//);
  });

  it('are filtered, and the list says when it is cut', async () => {
    const other = await cli.run(['upload', await cli.dataset(), '--new', 'Second', '--json']);
    expect(other.code, other.stderr).toBe(0);
    const ids = async (...flags: string[]): Promise<string[]> => {
      const { runs } = (await cli.run(['runs', 'list', ...flags, '--json'])).json();
      return runs.map((run: { workflowId: string }) => run.workflowId);
    };
    const { workflowId, datasetId } = other.json();
    expect(await ids('--dataset', datasetId)).toEqual([workflowId]);
    expect(await ids('--failed')).toEqual([]);
    expect(await ids('--waiting')).toEqual([]);
    expect(await ids('--since', '1h')).toContain(workflowId);
    const cut = await cli.run(['runs', 'list', '--limit', '1']);
    expect(cut.stdout.trim().split('\n')).toHaveLength(2);
    expect(cut.stderr).toContain('There are more runs');
    const wrong = await cli.run(['runs', 'list', '--limit', '0']);
    expect(wrong.stderr).toContain('--limit: "0" is not allowed; the least is 1.');
  });

  it('are refused by name when a piece of an id fits several, and none is cancelled', async () => {
    for (const verb of ['show', 'cancel', 'pause']) {
      const refused = await cli.run(['runs', verb, 'upload', '--json']);
      expect(refused.json().error.code).toBe('NDI_E_RUN_AMBIGUOUS');
      expect(refused.stderr).toMatch(/“upload” fits \d+ runs: /);
    }
    expect((await cli.run(['runs', 'show', 'no-such-run', '--json'])).json().error.code).toBe(
      'NDI_E_RUN_UNKNOWN',
    );
  });

  it('go on after Ctrl-C, which says how to come back; are paused, resumed, and cancelled', async () => {
    slow();
    const dir = await cli.dataset();
    const upload = cli.start(['upload', dir, '--new', 'Detached', '--json']);
    await upload.says('"phase":"files"');
    upload.child.kill('SIGINT');
    const detached = await upload.finished;
    expect(detached.code).toBe(130);
    const { workflowId } = detached.json();
    expect(detached.json().status).toBe('detached');
    expect(detached.stderr).toContain(`ndi-courier runs watch '${workflowId}'`);

    const open = (await cli.run(['runs', 'list', '--open', '--json'])).json().runs;
    expect(open.map((run: { workflowId: string }) => run.workflowId)).toContain(workflowId);

    expect((await cli.run(['runs', 'pause', workflowId, '--json'])).code).toBe(0);
    expect((await cli.run(['runs', 'show', workflowId])).stdout).toContain('The run is paused.');
    expect((await cli.run(['runs', 'window', workflowId, '9', '--json'])).json()).toMatchObject({
      before: 4,
    });
    expect((await cli.run(['runs', 'window', workflowId, '99', '--json'])).code).toBe(2);
    expect((await cli.run(['runs', 'resume', workflowId])).stdout).toContain('Resumed');

    // Starting it again attaches to it.
    const attached = cli.start(['upload', dir, '--new', 'Detached', '--json']);
    await attached.says('"event":"progress"');
    expect((await cli.run(['runs', 'cancel', workflowId])).code).toBe(0);
    const cancelled = await attached.finished;
    expect(cancelled.code).toBe(5);
    expect(cancelled.json()).toMatchObject({
      workflowId,
      status: 'cancelled',
      error: { code: 'NDI_E_CANCELLED' },
    });
  });
});

describe('a worker that dies', () => {
  // That its run goes on is shown by the demo's test and the crash matrix.
  it('is started again at the same address', async () => {
    const before = (await cli.run(['status', '--json'])).json();
    process.kill(before.workerPids[0], 'SIGKILL');
    const dir = await cli.dataset();
    const { code, stderr } = await cli.run(['upload', dir, '--new', 'After', '--json']);
    expect(code, stderr).toBe(0);
    const after = (await cli.run(['status', '--json'])).json();
    expect(after.workerPids).toHaveLength(1);
    expect(after.workerPids).not.toEqual(before.workerPids);
    expect(after.notice.sentence).toContain('is started again');
    expect({ ...after, workerPids: [], notice: null }).toEqual({ ...before, workerPids: [], notice: null });
  });
});

describe('the example script', () => {
  it('uploads and reports', async () => {
    const script = fileURLToPath(new URL('../../examples/upload-and-report.ts', import.meta.url));
    const dir = await cli.dataset();
    const { code, stdout, stderr } = await cli.run([dir, 'From a script'], { script });
    expect(code, stderr).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ status: 'done', files: { transferred: 6 }, problems: [] });
    expect(stderr).toMatch(/done: \d+ of \d+ bytes/);
    const refused = await cli.run([cli.path('nothing-here')], { script });
    expect(refused.code).toBe(1);
    expect(refused.stderr).toContain('NDI_E_NOT_A_DATASET');
  });
});

function sameFile(a: string, b: string): boolean {
  return statSync(a).ino === statSync(b).ino;
}
