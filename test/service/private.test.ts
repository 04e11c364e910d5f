/**
 * A private service: another user of the computer, who reaches the server's port, can neither read a run nor
 * start one.
 */
import { randomUUID } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { Client, Connection } from '@temporalio/client';
import { defineSearchAttributeKey } from '@temporalio/common';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createPayloadCodec } from '../../workers/codec.ts';
import { CONTROL_QUEUE, siteQueue } from '../../workflows/contracts/index.ts';
import { createHarness, type Harness } from '../cli/harness.ts';

let cli: Harness;
/** Without the key. */
let stranger: Client;
let folder: string;
let run: { workflowId: string };

async function until<T>(read: () => Promise<T | undefined>): Promise<T> {
  const deadline = performance.now() + 30_000;
  for (;;) {
    const value = await read();
    if (value !== undefined) return value;
    if (performance.now() > deadline) throw new Error('waited in vain');
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

const start = async (workflowId: string, taskQueue: string, type: string, args: unknown[]) =>
  stranger.workflow.start(type, { workflowId, taskQueue, args });

/** With the key, as its owner has it. */
const codec = () =>
  createPayloadCodec([readFileSync(join(cli.env.COURIER_HOME!, 'payload-key'), 'utf8').trim()]);

beforeAll(async () => {
  cli = await createHarness();
  folder = await cli.dataset({ documents: 40, files: 2 });
  const up = await cli.run(['up', '--private', '--json']);
  expect(up.code, up.stderr).toBe(0);
  const { temporalAddress, namespace } = up.json();
  const connection = await Connection.connect({ address: temporalAddress });
  stranger = new Client({ connection, namespace });
  const upload = await cli.run(['upload', folder, '--new', 'Hidden cortex', '--json']);
  expect(upload.code, upload.stderr).toBe(0);
  // The SDK's own list fails on memos that it cannot decode.
  const listed = await stranger.workflowService.listWorkflowExecutions({ namespace });
  run = { workflowId: listed.executions[0]!.execution!.workflowId! };
});
afterAll(async () => {
  await stranger?.connection.close();
  await cli?.close();
});

describe('a private service', () => {
  it.skipIf(process.platform === 'win32')('keeps its key where its owner alone can read it', () => {
    expect(statSync(join(cli.env.COURIER_HOME!, 'payload-key')).mode & 0o777).toBe(0o600);
  });

  it('stays private without the flag, and says so', async () => {
    await cli.run(['down']);
    const up = await cli.run(['up', '--json']);
    expect(up.code, up.stderr).toBe(0);
    expect(up.json()).toMatchObject({ running: true, private: true });
    expect((await cli.run(['status'])).stdout).toMatch(/private +payloads are encrypted/);
    const again = await cli.run(['runs', 'show', run.workflowId]);
    expect(again.stdout).toContain(folder);
  });

  it('shows a client without the key no name of a folder, file or dataset', async () => {
    const handle = stranger.workflow.getHandle(run.workflowId);
    const listed = await stranger.workflowService.listWorkflowExecutions({
      namespace: stranger.options.namespace,
    });
    const described = await stranger.workflowService.describeWorkflowExecution({
      namespace: stranger.options.namespace,
      execution: { workflowId: run.workflowId },
    });
    const seen = clearText([listed, described, await handle.fetchHistory()]);
    expect(seen).toContain('NdiPhase');
    for (const name of [folder, folder.split('/').at(-1)!, 'Hidden cortex', cli.sandbox.apiUrl])
      expect(seen.includes(name), name).toBe(false);
  });

  it('lists its runs beside one whose memo pretends to be encrypted, which is shown as unreadable', async () => {
    const bytes = (text: string) => new TextEncoder().encode(text);
    const encoding = { encoding: bytes('binary/encrypted'), 'encryption-key-id': bytes('none') };
    const pretends = { metadata: encoding, data: bytes('nonsense') };
    const { connection, options } = stranger;
    const payloadCodecs = [{ encode: async () => [pretends], decode: async () => [] }];
    const liar = new Client({ connection, namespace: options.namespace, dataConverter: { payloadCodecs } });
    const handle = await liar.workflow.start('uploadDataset', {
      workflowId: 'upload/pretended',
      taskQueue: 'nobody',
      memo: { reference: 'x' },
      typedSearchAttributes: [{ key: defineSearchAttributeKey('NdiOperation', 'KEYWORD'), value: 'upload' }],
    });
    const json = await until(async () => {
      const listed = await cli.run(['runs', 'list', '--json']);
      expect(listed.code, listed.stderr).toBe(0);
      return listed.stdout.includes('upload/pretended') ? listed.json() : undefined;
    });
    const unreadable = (json.runs as { workflowId: string; unreadable: boolean }[]).map((one) => [
      one.workflowId,
      one.unreadable,
    ]);
    expect(Object.fromEntries(unreadable)).toMatchObject({
      'upload/pretended': true,
      [run.workflowId]: false,
    });
    expect((await cli.run(['runs', 'list'])).stdout).toMatch(/\(unreadable\)/);
    await handle.terminate();
  });

  it('decodes payloads for the browser of its owner, who is given the address', async () => {
    const { events } = await stranger.workflow.getHandle(run.workflowId).fetchHistory();
    const { metadata, data } = events![0]!.workflowExecutionStartedEventAttributes!.input!.payloads![0]!;
    const base64 = (bytes: Uint8Array) => Buffer.from(bytes).toString('base64');
    const payload = {
      metadata: Object.fromEntries(Object.entries(metadata!).map(([name, value]) => [name, base64(value)])),
      data: base64(data!),
    };
    const serving = cli.start(['codec', '--json']);
    let said = '';
    serving.child.stdout!.on('data', (text: string) => {
      said += text;
    });
    await serving.says(/"url":.*\n/);
    const { url } = JSON.parse(said);
    const answer = await fetch(`${url}/decode`, {
      method: 'POST',
      body: JSON.stringify({ payloads: [payload] }),
    });
    const { payloads } = (await answer.json()) as { payloads: { data: string }[] };
    expect(JSON.parse(Buffer.from(payloads[0]!.data, 'base64').toString('utf8'))).toMatchObject({
      datasetDir: folder,
    });
    serving.child.kill('SIGTERM');
    await serving.finished;
  });

  it('executes no run of a client without the key', async () => {
    const { events } = await stranger.workflow.getHandle(run.workflowId).fetchHistory();
    const started = events![0]!.workflowExecutionStartedEventAttributes!;
    const [payload] = await codec().decode([started.input!.payloads![0]!]);
    const input = JSON.parse(Buffer.from(payload!.data!).toString('utf8'));
    const handle = await start('planted', CONTROL_QUEUE, started.workflowType!.name!, [input]);
    const failed = await until(async () =>
      (await handle.fetchHistory()).events!.find((event) => event.workflowTaskFailedEventAttributes),
    );
    const { failure } = failed.workflowTaskFailedEventAttributes!;
    expect(clearText(await codec().decode([failure!.encodedAttributes!]))).toContain('is private');
    expect((await handle.fetchHistory()).events!.some((e) => e.activityTaskScheduledEventAttributes)).toBe(
      false,
    );
    await handle.terminate();
  });

  it('executes no step of a workflow that somebody else runs', async () => {
    const { namespace } = stranger.options;
    const site = (await cli.run(['status', '--json'])).json().home as string;
    const { siteId } = JSON.parse(readFileSync(join(site, 'site.json'), 'utf8'));
    const queue = randomUUID();
    const handle = await start('puppet', queue, 'mine', []);
    const task = await stranger.connection.withDeadline(Date.now() + 30_000, () =>
      stranger.workflowService.pollWorkflowTaskQueue({ namespace, taskQueue: { name: queue } }),
    );
    const seconds = (count: number) => ({ seconds: count as never });
    await stranger.workflowService.respondWorkflowTaskCompleted({
      namespace,
      taskToken: task.taskToken,
      commands: [
        {
          // COMMAND_TYPE_SCHEDULE_ACTIVITY_TASK
          commandType: 1,
          scheduleActivityTaskCommandAttributes: {
            activityId: '1',
            activityType: { name: 'openUpload' },
            taskQueue: { name: siteQueue(siteId) },
            input: {
              payloads: [{ metadata: { encoding: Buffer.from('json/plain') }, data: Buffer.from('{}') }],
            },
            scheduleToCloseTimeout: seconds(60),
            startToCloseTimeout: seconds(60),
          },
        },
      ],
    });
    const failure = await until(
      async () => (await handle.describe()).raw.pendingActivities?.[0]?.lastFailure ?? undefined,
    );
    expect(clearText(failure)).not.toContain('is private');
    expect(clearText(await codec().decode([failure.encodedAttributes!]))).toContain('is private');
    await handle.terminate();
  });
});

describe('making a service private', () => {
  it('is refused while it runs, and while runs without a key are open', async () => {
    const env = { COURIER_HOME: cli.path('open') };
    const { temporalAddress, namespace } = (await cli.run(['up', '--json'], { env })).json();
    const running = await cli.run(['up', '--private'], { env });
    expect(running.code).not.toBe(0);
    expect(running.stderr).toContain('The service runs without a key.');
    const connection = await Connection.connect({ address: temporalAddress });
    await new Client({ connection, namespace }).workflow.start('none', {
      workflowId: 'w',
      taskQueue: 'none',
    });
    await connection.close();
    await cli.run(['down'], { env });
    const open = await cli.run(['up', '--private'], { env });
    expect(open.code).not.toBe(0);
    expect(open.stderr).toContain('Runs that were started without a key are open (1).');
    expect((await cli.run(['status', '--json'], { env })).json()).toMatchObject({ private: false });
  });

  it('is refused for a server elsewhere', async () => {
    const env = { TEMPORAL_ADDRESS: '127.0.0.1:1', COURIER_HOME: cli.path('elsewhere') };
    const { code, stderr } = await cli.run(['up', '--private'], { env });
    expect(code).not.toBe(0);
    expect(stderr).toContain('COURIER_PAYLOAD_KEY');
  });
});

/** All bytes and texts of an answer as one text. */
function clearText(value: unknown): string {
  if (value instanceof Uint8Array) return Buffer.from(value).toString('latin1');
  if (value === null || typeof value !== 'object') return String(value);
  return Object.entries(value)
    .map(([key, inner]) => `${key}=${clearText(inner)}`)
    .join('\n');
}
